/** What of an app's pods is refused whatever the policy: what they may not refer to, and what could not work. Pure. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Violation } from "../../intent/wish.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../kube/object.ts";
import { type AppContainer, containersOf } from "./containers.ts";
import { type BroughtKind, type Rename, renameInContainer, renameInVolume } from "./references.ts";
import { claimChecks } from "./spec-claims.ts";
import { containerChecks } from "./spec-container.ts";
import { keyChecks } from "./spec-keys.ts";
import { volumeChecks } from "./spec-volumes.ts";

export function podChecks(app: RemoteAppSpec): Violation[] {
  const containers = containersOf(app);
  return [
    ...names(containers),
    ...containers.flatMap((container) => containerChecks(container)),
    ...claimChecks(app),
    ...volumeChecks(app, containers),
    ...references(app, containers),
    ...elsewhere(app.affinity),
    ...keyChecks(app),
  ];
}

function names(containers: readonly AppContainer[]): Violation[] {
  const seen = new Set<JsonValue>();
  return containers.flatMap(({ json: { name = "" }, path }) => {
    const isTaken = seen.has(name);
    seen.add(name);
    if (!isTaken) return [];
    const message =
      name === "app" ? 'the app\'s own container is called "app"' : `two containers are called "${String(name)}"`;
    return [{ field: `${path}.name`, rule: "unique", message }];
  });
}

const words: Readonly<Record<BroughtKind, readonly [kind: string, field: string]>> = {
  configMap: ["ConfigMap", "configMaps"],
  secret: ["Secret", "secrets"],
  claim: ["claim", "claims"],
};

/** An app's pods may refer to what it brings along and to nothing else that there is in the namespace, not even if it is optional. */
function references(app: RemoteAppSpec, containers: readonly AppContainer[]): Violation[] {
  const brought: Readonly<Record<BroughtKind, ReadonlySet<string | undefined>>> = {
    configMap: new Set(app.configMaps.map(({ name }) => name)),
    secret: new Set(app.secrets.map(({ name }) => name)),
    claim: new Set(app.claims.map(({ name }) => name)),
  };
  const found: Violation[] = [];
  const look: Rename = (kind, name, path) => {
    const [what, field] = words[kind];
    const message = `refers to the ${what} "${name}", which the app does not bring along; name it in ${field}`;
    if (!brought[kind].has(name)) found.push({ field: path, rule: "reference", message });
    return name;
  };
  for (const { json, path } of containers) renameInContainer(json, look, path);
  app.volumes.forEach((volume, index) => {
    renameInVolume(volume, look, `volumes[${index}]`);
  });
  app.imagePullSecrets.forEach(({ name = "" }, index) => {
    look("secret", name, `imagePullSecrets[${index}].name`);
  });
  return found;
}

/** Where pods of others run is none of an app's business. */
function elsewhere(affinity: JsonObject | undefined): Violation[] {
  const found: Violation[] = [];
  const look = (value: JsonValue, path: string): void => {
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) look(item, `${path}[${index}]`);
    } else if (isJsonObject(value)) {
      for (const [name, item] of Object.entries(value)) {
        const at = `${path}.${name}`;
        const message = "is not for apps to say: they may keep near to and away from pods of their own peer only";
        if (name === "namespaces" || name === "namespaceSelector") {
          found.push({ field: at, rule: "forbidden", message });
        } else if (name !== "labelSelector") look(item, at);
      }
    }
  };
  look(affinity ?? {}, "affinity");
  return found;
}
