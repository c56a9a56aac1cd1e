/** The sources of this agent: what each topic tells, and whom it concerns. */
import { create } from "@bufbuild/protobuf";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { ComponentSchema } from "../../gen/fairlead/console/v1/agent_service_pb.ts";
import { OrphanAtPeerSchema, OrphanSchema } from "../../gen/fairlead/console/v1/app_service_pb.ts";
import { type InboxItem, InboxItemSchema } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import { NotificationSchema } from "../../gen/fairlead/console/v1/notification_service_pb.ts";
import { InviteSchema } from "../../gen/fairlead/console/v1/peer_service_pb.ts";
import { ForwardSchema } from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import { Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { Peer, PeerPolicy, RemoteApp } from "../../kube/resources.ts";
import type { InviteRecord } from "../../peering/invite-record.ts";
import type { HealthCheck, HealthReport } from "../../telemetry/health.ts";
import type { KnownForward } from "../../tunnel/forwards/forwards.ts";
import type { HeldOrphan } from "../../workloads/host/host.ts";
import type { OrphanAtPeer } from "../../workloads/origin/origin.ts";
import { toComponent } from "../api/agent-service.ts";
import { toNotification } from "../api/notification-service.ts";
import { toApp, toForward, toOrphan, toOrphanAtPeer, toPeer } from "../api/object.ts";
import { toInvite } from "../api/peer-service.ts";
import { toPolicy } from "../api/policy-service.ts";
import { concernOfApp, namedPeersOf } from "../app-peer.ts";
import type { Notification } from "../notifications/ledger.ts";
import { auditSource, type RecordedAudit } from "./audit-source.ts";
import { type KnownLinks, linkSource } from "./link-source.ts";
import { type Listed, listed, listSource } from "./list-source.ts";
import { agentsOwn } from "./logged.ts";
import { type Changing, objectSource } from "./object-source.ts";
import { type PeopleSourcesDeps, peopleSources } from "./people-sources.ts";
import type { WatchSource } from "./sources.ts";

export interface OwnSourcesDeps extends Omit<PeopleSourcesDeps, "clock" | "log"> {
  /** Without those that were removed. */
  readonly peers: Changing<Peer>;
  readonly apps: Changing<RemoteApp>;
  readonly policies: Changing<PeerPolicy>;
  readonly inbox: { list(): readonly InboxItem[] } & News;
  readonly forwards: { list(signal: AbortSignal): Promise<readonly KnownForward[]> } & News;
  readonly invites: { list(signal: AbortSignal): Promise<readonly InviteRecord[]> } & News;
  readonly notifications: { list(): readonly Notification[] } & News;
  readonly health: () => Pick<HealthReport, "checks">;
  /** What peers run here and no longer know. */
  readonly orphans: { list(): readonly HeldOrphan[] } & News;
  /** What peers run for this agent that it does not know. */
  readonly orphansAtPeers: { list(): readonly OrphanAtPeer[] } & News;
  readonly links: KnownLinks;
  readonly audit: RecordedAudit;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often the parts of the agent are asked how they are while somebody watches them, in milliseconds. */
const healthLookMs = 1_000;

/** That something may have changed. */
export interface News {
  subscribe(listener: () => void): () => void;
}

export function ownSources(deps: OwnSourcesDeps): WatchSource[] {
  const told = { clock: deps.clock, log: deps.log };
  return [
    objectSource({
      topic: Topic.PEERS,
      objects: deps.peers,
      traitsOf: ({ metadata: { name = "", labels } }) => ({ peers: [name], about: [name], labels }),
      now: (peer) => ({ case: "peer", value: toPeer(peer) }),
    }),
    objectSource({
      topic: Topic.APPS,
      objects: deps.apps,
      isNamespaced: true,
      traitsOf: (app) => ({ peers: concernedBy(app), about: namedPeersOf(app), labels: app.metadata.labels }),
      now: (app) => ({ case: "app", value: toApp(app) }),
    }),
    objectSource({
      topic: Topic.POLICIES,
      objects: deps.policies,
      traitsOf: ({ metadata, status }) => ({ ...agentsOwn, about: status?.peers ?? [], labels: metadata.labels }),
      now: (policy) => ({ case: "policy", value: toPolicy(policy) }),
    }),
    linkSource(deps.links),
    listSource({ ...told, topic: Topic.INBOX, ...deps.inbox, list: () => deps.inbox.list().map(listedItem) }),
    listSource({
      ...told,
      topic: Topic.FORWARDS,
      subscribe: deps.forwards.subscribe,
      list: async (signal) => (await deps.forwards.list(signal)).map(listedForward),
    }),
    inviteSource(deps),
    listSource({
      ...told,
      topic: Topic.NOTIFICATIONS,
      subscribe: deps.notifications.subscribe,
      list: () => deps.notifications.list().map(listedNotification),
    }),
    auditSource(deps.audit),
    listSource({ ...told, topic: Topic.ORPHANS, ...deps.orphans, list: () => deps.orphans.list().map(listedOrphan) }),
    listSource({
      ...told,
      topic: Topic.ORPHANS_AT_PEERS,
      subscribe: deps.orphansAtPeers.subscribe,
      list: () => deps.orphansAtPeers.list().map(listedOrphanAtPeer),
    }),
    listSource({
      ...told,
      topic: Topic.HEALTH,
      list: () => deps.health().checks.map(listedComponent),
      // Nobody tells of it: a check is asked.
      subscribe: () => () => undefined,
      changesIn: () => healthLookMs,
    }),
    ...peopleSources(deps),
  ];
}

/** Invites and joins end by the time, too. */
function inviteSource({ invites, clock, log }: OwnSourcesDeps): WatchSource {
  let ends: readonly number[] = [];
  return listSource({
    topic: Topic.INVITES,
    subscribe: invites.subscribe,
    async list(signal) {
      const records = await invites.list(signal);
      ends = records.map(({ expiresAt }) => expiresAt);
      return records.map((record) => {
        const value = toInvite(record);
        const traits = { ...agentsOwn, labels: value.labels };
        return listed({ namespace: "", name: value.id }, traits, InviteSchema, value, () => ({
          case: "invite",
          value,
        }));
      });
    },
    changesIn: () => (ends.length > 0 ? Math.max(0, Math.min(...ends) - clock.now()) : undefined),
    clock,
    log,
  });
}

function listedItem(value: InboxItem): Listed {
  const ref = { namespace: "", name: value.name };
  return listed(ref, { peers: [value.peer], about: [value.peer] }, InboxItemSchema, value, () => ({
    case: "inboxItem",
    value,
  }));
}

function listedNotification(one: Notification): Listed {
  const value = toNotification(one);
  // What is about no peer, or about any, is the agent's.
  const traits = { peers: one.peers.length === 0 ? agentsOwn.peers : one.peers, about: one.peers };
  const ref = { namespace: "", name: one.id };
  return listed(ref, traits, NotificationSchema, value, () => ({ case: "notification", value }));
}

/** What goes by it changes all the time, and is told as it is when the rest has changed. */
function listedForward({ forward, counts }: KnownForward): Listed {
  const { namespace = "", name = "", labels } = forward.metadata;
  const peers = [forward.spec.peer ?? ""];
  const traits = { peers, about: peers, labels };
  return listed({ namespace, name }, traits, ForwardSchema, toForward(forward, undefined), () => ({
    case: "forward",
    value: toForward(forward, counts),
  }));
}

function listedOrphan(orphan: HeldOrphan): Listed {
  const value = toOrphan(orphan);
  const peers = [orphan.peer];
  return listed(orphan.workload, { peers, about: peers }, OrphanSchema, value, () => ({ case: "orphan", value }));
}

function listedOrphanAtPeer(orphan: OrphanAtPeer): Listed {
  const value = toOrphanAtPeer(orphan);
  const ref = { namespace: "", name: `${orphan.peer}/${orphan.uid}` };
  const peers = [orphan.peer];
  return listed(ref, { peers, about: peers }, OrphanAtPeerSchema, value, () => ({ case: "orphanAtPeer", value }));
}

/** The age of work changes all the time, and is told as it is when the rest has changed. */
function listedComponent(check: HealthCheck): Listed {
  const value = toComponent(check);
  const { name, ok } = check;
  const state = create(ComponentSchema, { name, ok, problem: check.work ? "" : value.problem });
  return listed({ namespace: "", name }, agentsOwn, ComponentSchema, state, () => ({ case: "component", value }));
}

/** One that may be placed anywhere concerns the agent, and so does one that nobody runs or is to run. */
function concernedBy(app: RemoteApp): readonly string[] {
  const concern = concernOfApp(app);
  return concern === "all" || concern.length === 0 ? agentsOwn.peers : concern.toSorted();
}
