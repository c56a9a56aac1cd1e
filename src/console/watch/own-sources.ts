/** The sources of this agent: what each topic tells, and whom it concerns. */
import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { type InboxItem, InboxItemSchema } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import { NotificationSchema } from "../../gen/fairlead/console/v1/notification_service_pb.ts";
import { InviteSchema } from "../../gen/fairlead/console/v1/peer_service_pb.ts";
import { ForwardSchema } from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import { Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { Peer, PeerPolicy, RemoteApp } from "../../kube/resources.ts";
import type { InviteRecord } from "../../peering/invite-record.ts";
import type { KnownForward } from "../../tunnel/forwards/forwards.ts";
import { toNotification } from "../api/notification-service.ts";
import { toApp, toForward, toPeer } from "../api/object.ts";
import { toInvite } from "../api/peer-service.ts";
import { toPolicy } from "../api/policy-service.ts";
import { concernOfApp, namedPeersOf } from "../app-peer.ts";
import type { Notification } from "../notifications/ledger.ts";
import { auditSource, type RecordedAudit } from "./audit-source.ts";
import { type KnownLinks, linkSource } from "./link-source.ts";
import { type Listed, listSource } from "./list-source.ts";
import type { Ref, Traits } from "./logged.ts";
import { type Changing, objectSource } from "./object-source.ts";
import type { WatchSource } from "./sources.ts";

export interface OwnSourcesDeps {
  /** Without those that were removed. */
  readonly peers: Changing<Peer>;
  readonly apps: Changing<RemoteApp>;
  readonly policies: Changing<PeerPolicy>;
  readonly inbox: { list(): readonly InboxItem[] } & News;
  readonly forwards: { list(signal: AbortSignal): Promise<readonly KnownForward[]> } & News;
  readonly invites: { list(signal: AbortSignal): Promise<readonly InviteRecord[]> } & News;
  readonly notifications: { list(): readonly Notification[] } & News;
  readonly links: KnownLinks;
  readonly audit: RecordedAudit;
  readonly clock: Clock;
  readonly log: Log;
}

/** That something may have changed. */
export interface News {
  subscribe(listener: () => void): () => void;
}

/** What concerns the agent itself. */
const agent: readonly string[] = [""];

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
      traitsOf: ({ metadata, status }) => ({ peers: agent, about: status?.peers ?? [], labels: metadata.labels }),
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
        const traits = { peers: agent, about: [], labels: value.labels };
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
  const traits = { peers: one.peers.length === 0 ? agent : one.peers, about: one.peers };
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

function listed<Desc extends DescMessage>(
  ref: Ref,
  traits: Traits,
  schema: Desc,
  state: MessageShape<Desc>,
  now: Listed["now"],
): Listed {
  return { ref, ...traits, now, state: createHash("sha256").update(toBinary(schema, state)).digest("base64") };
}

/** One that may be placed anywhere concerns the agent, and so does one that nobody runs or is to run. */
function concernedBy(app: RemoteApp): readonly string[] {
  const concern = concernOfApp(app);
  return concern === "all" || concern.length === 0 ? agent : concern.toSorted();
}
