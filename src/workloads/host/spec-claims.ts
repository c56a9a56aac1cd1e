/** What an app may claim to keep data in, as far as no policy has to say it. Pure. */
import type { AppClaim } from "../../gen/fairlead/resources/v1alpha1/app_config_pb.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Violation } from "../../intent/wish.ts";
import type { JsonObject } from "../../kube/object.ts";
import { parseQuantity } from "../../policy/quantity.ts";
import { sizeOf } from "./claims.ts";
import { kindOf } from "./kind.ts";

/** By the others a claim takes a volume or data that somebody else has. */
const chosen: readonly string[] = ["accessModes", "resources", "storageClassName", "volumeMode"];

export function claimChecks(app: RemoteAppSpec): Violation[] {
  return [...app.claims.flatMap((claim, index) => specChecks(claim, `claims[${index}].spec`)), ...asVolumes(app)];
}

function specChecks({ spec = {} }: AppClaim, path: string): Violation[] {
  const size = sizeOf(spec.resources);
  const field = `${path}.resources.requests.storage`;
  return [
    ...Object.keys(spec)
      .filter((name) => !chosen.includes(name))
      .map((name) => {
        const message = `an app's claim says ${chosen.join(", ")} and nothing else`;
        return { field: `${path}.${name}`, rule: "forbidden", message };
      }),
    ...(size === undefined ? [{ field, rule: "required", message: "a claim says how much it needs" }] : []),
    ...(size !== undefined && (parseQuantity(size) ?? 0n) <= 0n
      ? [{ field, rule: "quantity", message: "not an amount such as 10Gi" }]
      : []),
  ];
}

/** The pods of a StatefulSet have a claim each, which Kubernetes mounts by the claim's name; of others there is no such volume. */
function asVolumes(app: RemoteAppSpec): Violation[] {
  if (kindOf(app) !== "StatefulSet") return [];
  const claims = new Set<unknown>(app.claims.map(({ name }) => name));
  return app.volumes.flatMap((volume: JsonObject, index) => {
    const path = `volumes[${index}]`;
    const mounted = "is mounted by its name: each pod of a StatefulSet has a claim of its own";
    if (claims.has(volume.name)) {
      return [{ field: `${path}.name`, rule: "unique", message: `the claim "${String(volume.name)}" ${mounted}` }];
    }
    if (volume.persistentVolumeClaim === undefined) return [];
    const message = `a claim ${mounted}; name it in volumeMounts and leave the volume out`;
    return [{ field: `${path}.persistentVolumeClaim`, rule: "kind", message }];
  });
}
