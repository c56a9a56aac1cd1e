/** What can be watched: the call by which the same is listed, and what of it can be asked for. Pure. docs/watch.md tells them. */
import type { DescMethod } from "@bufbuild/protobuf";
import { AccessService } from "../../gen/fairlead/console/v1/access_service_pb.ts";
import { AgentService } from "../../gen/fairlead/console/v1/agent_service_pb.ts";
import { AppService } from "../../gen/fairlead/console/v1/app_service_pb.ts";
import { AuditService } from "../../gen/fairlead/console/v1/audit_service_pb.ts";
import { InboxService } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import { LinkService } from "../../gen/fairlead/console/v1/link_service_pb.ts";
import { NotificationService } from "../../gen/fairlead/console/v1/notification_service_pb.ts";
import { PeerService } from "../../gen/fairlead/console/v1/peer_service_pb.ts";
import { PolicyService } from "../../gen/fairlead/console/v1/policy_service_pb.ts";
import { TunnelService } from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import { Topic, TopicSchema } from "../../gen/fairlead/console/v1/watch_service_pb.ts";

/** By what else than its name a thing is asked for, where things of the topic have it. */
export type Selector = "namespace" | "peer" | "labelSelector";

interface TopicRules {
  /** Who may make this call may watch the topic, and sees of it what the call shows them. */
  readonly shownBy: DescMethod;
  readonly selectors: readonly Selector[];
}

/** In the order in which a watch of all begins. */
const rules: ReadonlyMap<Topic, TopicRules> = new Map<Topic, TopicRules>([
  [Topic.PEERS, { shownBy: PeerService.method.listPeers, selectors: ["peer", "labelSelector"] }],
  [Topic.LINKS, { shownBy: LinkService.method.getLink, selectors: ["peer"] }],
  [Topic.APPS, { shownBy: AppService.method.listApps, selectors: ["namespace", "peer", "labelSelector"] }],
  [Topic.INBOX, { shownBy: InboxService.method.listInbox, selectors: ["peer"] }],
  [Topic.POLICIES, { shownBy: PolicyService.method.listPolicies, selectors: ["peer", "labelSelector"] }],
  [Topic.FORWARDS, { shownBy: TunnelService.method.listForwards, selectors: ["namespace", "peer", "labelSelector"] }],
  [Topic.INVITES, { shownBy: PeerService.method.listInvites, selectors: ["labelSelector"] }],
  [Topic.NOTIFICATIONS, { shownBy: NotificationService.method.listNotifications, selectors: ["peer"] }],
  [Topic.ORPHANS, { shownBy: AppService.method.listOrphans, selectors: ["namespace", "peer"] }],
  [Topic.ORPHANS_AT_PEERS, { shownBy: AppService.method.listOrphansAtPeers, selectors: ["peer"] }],
  [Topic.HEALTH, { shownBy: AgentService.method.getHealth, selectors: [] }],
  [Topic.USERS, { shownBy: AccessService.method.listUsers, selectors: [] }],
  [Topic.TOKENS, { shownBy: AccessService.method.listTokens, selectors: [] }],
  [Topic.BROWSER_SESSIONS, { shownBy: AccessService.method.listBrowserSessions, selectors: [] }],
  [Topic.AUDIT, { shownBy: AuditService.method.listAudit, selectors: ["peer"] }],
]);

/** Every topic. */
export const allTopics: readonly Topic[] = [...rules.keys()];

export function methodOf(topic: Topic): DescMethod {
  return rulesOf(topic).shownBy;
}

export function hasSelector(topic: Topic, selector: Selector): boolean {
  return rulesOf(topic).selectors.includes(selector);
}

/** As the proto calls it: "TOPIC_APPS". */
export function topicName(topic: Topic): string {
  return TopicSchema.value[topic]?.name ?? String(topic);
}

/** Throws for what is no topic; validation has let none through. */
function rulesOf(topic: Topic): TopicRules {
  const found = rules.get(topic);
  if (!found) throw new Error(`${topicName(topic)} is no topic that can be watched.`);
  return found;
}
