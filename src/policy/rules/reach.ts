/** Rules about ways out of a pod that its node opens: ports of the node, what is asked from it, and what is mounted. */
import type { JsonObject } from "../../kube/object.ts";
import { type AppContainer, containersOf } from "../containers.ts";
import { partAt, partsAt, textAt, valueAt } from "../fragment.ts";
import { projectedKinds, volumeKinds } from "../volume-kinds.ts";
import type { Finding, Question } from "./question.ts";

/** A port of the node passes by the link and everything that guards it. */
export function areNodePortsLeft({ app }: Question): readonly Finding[] {
  return containersOf(app).flatMap(({ path, fields }) =>
    partsAt(fields, "ports").flatMap(({ part, at }) =>
      ["hostPort", "hostIP"].flatMap((name) => {
        const said = valueAt(part, name);
        if (said === undefined || said === 0 || said === "") return [];
        const message =
          "ports of the nodes are nobody's here; name the port in `ports`, and it is reached through the link";
        return [{ rule: "ports/node", field: `${path}ports[${at}].${name}`, message, asked: String(said) }];
      }),
    ),
  );
}

/** The node asks, not the pod: no NetworkPolicy stands between it and the API server, other pods or the node itself. */
export function doProbesStay({ app }: Question): readonly Finding[] {
  return containersOf(app).flatMap((container) =>
    handlersOf(container).flatMap(({ path, handler }) =>
      ["httpGet", "tcpSocket"].flatMap((kind) => {
        const host = textAt(partAt(handler, kind), "host");
        if (host === undefined || host === "") return [];
        const message = `the host's nodes ask nobody but the pod itself; leave out ${kind}.host, and that one is asked`;
        return [{ rule: "probes/host", field: `${path}.${kind}.host`, message, asked: host }];
      }),
    ),
  );
}

function handlersOf({ path, fields }: AppContainer): { path: string; handler: JsonObject | undefined }[] {
  const lifecycle = partAt(fields, "lifecycle");
  return [
    ...["startupProbe", "readinessProbe", "livenessProbe"].map((name) => {
      return { path: `${path}${name}`, handler: partAt(fields, name) };
    }),
    ...["postStart", "preStop"].map((name) => {
      return { path: `${path}lifecycle.${name}`, handler: partAt(lifecycle, name) };
    }),
  ];
}

/** What the app brings along, and nothing of the node, of the network or of the cluster. */
export function areVolumesOwn({ app }: Question): readonly Finding[] {
  return app.volumes.flatMap((volume, at) => {
    const foreign = Object.keys(volume).filter((kind) => kind !== "name" && !volumeKinds.includes(kind));
    const sources = partsAt(partAt(volume, "projected"), "sources").flatMap(({ part, at: place }) =>
      Object.keys(part)
        .filter((kind) => !projectedKinds.includes(kind))
        .map((kind) => kindRefused(`volumes[${at}].projected.sources[${place}].${kind}`, kind, projectedKinds)),
    );
    return [...foreign.map((kind) => kindRefused(`volumes[${at}].${kind}`, kind, volumeKinds)), ...sources];
  });
}

function kindRefused(field: string, asked: string, kinds: readonly string[]): Finding {
  const allowed = kinds.join(", ");
  const message = `${asked} cannot be mounted here; only what the app brings along can: ${allowed}`;
  return { rule: "volumes/kind", field, message, asked, allowed };
}

/** What is mounted in a pod stays in it. */
export function doMountsStay({ app }: Question): readonly Finding[] {
  return containersOf(app).flatMap(({ path, fields }) =>
    partsAt(fields, "volumeMounts").flatMap(({ part, at }) => {
      if (textAt(part, "mountPropagation") !== "Bidirectional") return [];
      const field = `${path}volumeMounts[${at}].mountPropagation`;
      const message = "what is mounted in a pod is not passed on to its node here; leave mountPropagation out";
      return [{ rule: "volumes/propagation", field, message, asked: "Bidirectional" }];
    }),
  );
}
