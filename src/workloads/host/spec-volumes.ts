/** Which volumes an app's pods may have, and whether what is mounted is there. Pure. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Violation } from "../../intent/wish.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../kube/object.ts";
import { projectedKinds, volumeKinds } from "../../policy/volume-kinds.ts";
import type { AppContainer } from "./containers.ts";
import { kindOf } from "./kind.ts";

export function volumeChecks(app: RemoteAppSpec, containers: readonly AppContainer[]): Violation[] {
  const claims = kindOf(app) === "StatefulSet" ? app.claims : [];
  const known = new Set<JsonValue | undefined>([...app.volumes, ...claims].map(({ name }) => name));
  return [
    ...app.volumes.flatMap((volume, index) => kindsOf(volume, `volumes[${index}]`)),
    ...containers.flatMap(({ json, path }) => {
      const at = path === "" ? "" : `${path}.`;
      return [
        ...missing(json.volumeMounts, known, `${at}volumeMounts`),
        ...missing(json.volumeDevices, known, `${at}volumeDevices`),
      ];
    }),
  ];
}

function kindsOf({ name: _name, ...sources }: JsonObject, path: string): Violation[] {
  const names = Object.keys(sources);
  const other = names.find((name) => !volumeKinds.includes(name));
  if (other) return [forbidden(`${path}.${other}`, `an app's volumes are of the kinds ${volumeKinds.join(", ")}`)];
  if (names.length > 1) {
    return [{ field: path, rule: "oneof", message: `a volume is of one kind, and not both ${names.join(" and ")}` }];
  }
  const { projected } = sources;
  const parts = isJsonObject(projected) && Array.isArray(projected.sources) ? projected.sources : [];
  return parts.flatMap((part, index) => {
    const odd = isJsonObject(part) ? Object.keys(part).find((name) => !projectedKinds.includes(name)) : undefined;
    if (!odd) return [];
    const message = `a projected volume of an app is made of ${projectedKinds.join(", ")}`;
    return [forbidden(`${path}.projected.sources[${index}].${odd}`, message)];
  });
}

function missing(mounts: JsonValue | undefined, known: ReadonlySet<JsonValue | undefined>, path: string): Violation[] {
  if (!Array.isArray(mounts)) return [];
  return mounts.flatMap((mount, index) => {
    if (!isJsonObject(mount) || known.has(mount.name)) return [];
    const message = `there is no volume "${String(mount.name)}"; declare it in volumes`;
    return [{ field: `${path}[${index}].name`, rule: "reference", message }];
  });
}

function forbidden(field: string, message: string): Violation {
  return { field, rule: "forbidden", message };
}
