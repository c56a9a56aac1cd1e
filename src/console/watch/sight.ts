/** What somebody may watch: of each topic what its list would show them. Pure. */
import type { DescMethod } from "@bufbuild/protobuf";
import { Scope } from "../../gen/fairlead/console/v1/access_pb.ts";
import { AppService } from "../../gen/fairlead/console/v1/app_service_pb.ts";
import { AuditService } from "../../gen/fairlead/console/v1/audit_service_pb.ts";
import { InboxService } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import { LinkService } from "../../gen/fairlead/console/v1/link_service_pb.ts";
import { NotificationService } from "../../gen/fairlead/console/v1/notification_service_pb.ts";
import { PeerService } from "../../gen/fairlead/console/v1/peer_service_pb.ts";
import { PolicyService } from "../../gen/fairlead/console/v1/policy_service_pb.ts";
import { TunnelService } from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import { Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { accessOf } from "../access/access-of.ts";
import { type Decision, decide, viewOf } from "../access/decide.ts";
import type { Principal } from "../auth/principal.ts";

/** By topic, the call that shows the same: who may make it may watch the topic. In the order in which a watch of all begins. */
const shownBy: ReadonlyMap<Topic, DescMethod> = new Map<Topic, DescMethod>([
  [Topic.PEERS, PeerService.method.listPeers],
  [Topic.LINKS, LinkService.method.getLink],
  [Topic.APPS, AppService.method.listApps],
  [Topic.INBOX, InboxService.method.listInbox],
  [Topic.POLICIES, PolicyService.method.listPolicies],
  [Topic.FORWARDS, TunnelService.method.listForwards],
  [Topic.INVITES, PeerService.method.listInvites],
  [Topic.NOTIFICATIONS, NotificationService.method.listNotifications],
  [Topic.AUDIT, AuditService.method.listAudit],
]);

/** Every topic. */
export const allTopics: readonly Topic[] = [...shownBy.keys()];

/** Whether they may make this call about anything at all. */
export function mayCall(principal: Principal | undefined, method: DescMethod): Decision {
  const { role, scope } = accessOf(method);
  // A call about one peer may be made for each that is theirs.
  const asked = scope === Scope.PEER ? Scope.FILTERED : scope;
  return decide(principal, { role, scope: asked }, scope === Scope.AGENT ? "all" : []);
}

/** Whether they may see what of the topic has to do with these peers. */
export function sightOf(principal: Principal | undefined, topic: Topic): (peers: readonly string[]) => boolean {
  const view = viewOf(principal, accessOf(methodOf(topic)).role);
  return (peers) => peers.every(view);
}

/** Throws for what is no topic; validation has let none through. */
export function methodOf(topic: Topic): DescMethod {
  const method = shownBy.get(topic);
  if (!method) throw new Error(`No call shows what the topic ${topic} does.`);
  return method;
}

/** The same for whoever may see the same. */
export function accessText(principal: Principal | undefined): string {
  const roles = principal?.mustChangePassword ? [] : (principal?.roles ?? []);
  const texts = roles.map(({ role, peers }) => `${role} ${peers === "all" ? "*" : peers.toSorted().join(",")}`);
  return texts.sort().join("; ");
}
