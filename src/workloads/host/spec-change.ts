/** What of an app cannot become something else while it runs. Pure. */
import type { AppClaim } from "../../gen/fairlead/resources/v1alpha1/app_config_pb.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Violation } from "../../intent/wish.ts";
import { canonicalJson } from "../../policy/spec-hash.ts";
import { claimSpec, isMore, sizeOf } from "./claims.ts";
import { kindOf } from "./kind.ts";

/** What is wrong with `app` after `before`, which may run already. */
export function changeChecks(before: RemoteAppSpec, app: RemoteAppSpec): Violation[] {
  const [was, is] = [kindOf(before), kindOf(app)];
  if (was !== is) {
    const message = `a ${was} cannot become a ${is}; delete the app and deploy it again, or give the new one another name`;
    return [{ field: "kind", rule: "immutable", message, asked: is, allowed: was }];
  }
  return app.claims.flatMap((claim, index) => {
    const earlier = before.claims.find(({ name }) => name === claim.name);
    return earlier ? claimChecks(earlier, claim, `claims[${index}].spec`) : [];
  });
}

function claimChecks(before: AppClaim, claim: AppClaim, path: string): Violation[] {
  const [{ resources: had, ...was }, { resources: has, ...is }] = [claimSpec(before), claimSpec(claim)];
  const advice = "bring a claim of another name and move the data there";
  const changed = [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((field) => canonicalJson(was[field]) !== canonicalJson(is[field]))
    .map((field) => {
      return { field: `${path}.${field}`, rule: "immutable", message: `of a claim cannot be changed; ${advice}` };
    });
  if (!isMore(sizeOf(had), sizeOf(has))) return changed;
  const message = `a claim can grow and not shrink; ${advice}`;
  const sizes = { asked: String(sizeOf(has)), allowed: String(sizeOf(had)) };
  return [...changed, { field: `${path}.resources.requests.storage`, rule: "immutable", message, ...sizes }];
}
