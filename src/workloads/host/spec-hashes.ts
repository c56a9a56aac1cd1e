/** The names of specs, worked out once. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { hashSpec } from "../../policy/spec-hash.ts";

/** `hashSpec` with a memory: a spec that was read never changes, and its hash costs more than all the rules together. */
export function createSpecHashes(): (app: RemoteAppSpec) => string {
  const hashes = new WeakMap<RemoteAppSpec, string>();
  return (app) => {
    const known = hashes.get(app);
    if (known !== undefined) return known;
    const hash = hashSpec(app);
    hashes.set(app, hash);
    return hash;
  };
}
