/** What somebody may watch: of each topic what its list would show them. Pure. */
import type { DescMethod } from "@bufbuild/protobuf";
import { Scope } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { accessOf } from "../access/access-of.ts";
import { type Decision, decide, mayAskOfOthers, viewOf } from "../access/decide.ts";
import { ownerKey, type Principal } from "../auth/principal.ts";
import type { Traits } from "./logged.ts";
import { methodOf } from "./topics.ts";

/** Whether they may make this call about anything at all. */
export function mayCall(principal: Principal | undefined, method: DescMethod): Decision {
  const { role, scope } = accessOf(method);
  // A call about one peer may be made for each that is theirs.
  const asked = scope === Scope.PEER ? Scope.FILTERED : scope;
  return decide(principal, { role, scope: asked }, { said: scope === Scope.AGENT ? "all" : [] });
}

/** Whether they may see a thing of the topic. */
export function sightOf(
  principal: Principal | undefined,
  topic: Topic,
): (thing: Pick<Traits, "peers" | "owner">) => boolean {
  const need = accessOf(methodOf(topic));
  const ofOthers = mayAskOfOthers(principal, need);
  const view = need.scope === Scope.SELF ? () => ofOthers : viewOf(principal, need.role);
  const self = principal && ownerKey(principal);
  return ({ peers, owner }) => peers.every(view) || (owner !== undefined && owner === self);
}

/** The same for whoever may see the same. */
export function accessText(principal: Principal | undefined): string {
  const roles = principal?.mustChangePassword ? [] : (principal?.roles ?? []);
  const texts = roles.map(({ role, peers }) => `${role} ${peers === "all" ? "*" : peers.toSorted().join(",")}`);
  return [...texts.sort(), (principal && ownerKey(principal)) ?? ""].join("; ");
}
