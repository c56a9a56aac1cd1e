/** Every list of the API that is not of people or tokens: by which fields it is selected and put in order. Pure. docs/lists.md tells them. */
import type { AuditRecord } from "../../audit/entry.ts";
import {
  type Feature,
  type PeerVersion,
  PeerVersion_Skew as Skew,
} from "../../gen/fairlead/console/v1/agent_service_pb.ts";
import type { AppRevision, Orphan, OrphanAtPeer } from "../../gen/fairlead/console/v1/app_service_pb.ts";
import {
  type InboxItem,
  InboxItem_Kind as Kind,
  InboxItem_State as State,
} from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import type { PeerTarget } from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import type { Forward, Peer, PeerPolicy, RemoteApp } from "../../kube/resources.ts";
import { milliTimeText } from "../../kube/time.ts";
import type { InviteRecord } from "../../peering/invite-record.ts";
import type { Connection } from "../../tunnel/connections.ts";
import { isDatagrams, targetText } from "../../wire/target-text.ts";
import { namedPeersOf } from "../app-peer.ts";
import type { Notification } from "../notifications/ledger.ts";
import type { FieldValue, ListOf } from "./listing.ts";

interface Named {
  readonly metadata: {
    readonly namespace?: string | undefined;
    readonly name?: string | undefined;
    readonly creationTimestamp?: string | undefined;
    readonly labels?: Readonly<Record<string, string>> | undefined;
  };
}

const labelsOf = ({ metadata }: Named): Readonly<Record<string, string>> => metadata.labels ?? {};
const nameOf = ({ metadata }: Named): string => metadata.name ?? "";
/** A space comes before all that a name may hold, so that a namespace's things stay together. */
const pathOf = (namespace = "", name = ""): string => `${namespace} ${name}`;

const named = {
  name: nameOf,
  created: ({ metadata }: Named): string => metadata.creationTimestamp ?? "",
};
const namespaced = { ...named, namespace: ({ metadata }: Named): string => metadata.namespace ?? "" };

export const appList: ListOf<RemoteApp> = {
  kind: "apps",
  key: ({ metadata: { namespace, name } }) => pathOf(namespace, name),
  labels: labelsOf,
  fields: {
    ...namespaced,
    phase: ({ status }) => status?.phase ?? "Pending",
    reason: ({ status }) => status?.reason,
    peer: namedPeersOf,
    kind: ({ spec }) => spec.kind ?? "Deployment",
    image: ({ spec }) => spec.image,
    replicas: ({ spec }) => spec.replicas ?? 1,
    ready: ({ status }) => status?.readyReplicas ?? 0,
    revision: ({ status }) => status?.revision,
  },
};

export const revisionList: ListOf<AppRevision> = {
  kind: "revisions",
  key: ({ number }) => String(number),
  fields: {
    number: ({ number }) => number,
    created: ({ createdAt }) => createdAt,
    cause: ({ cause }) => cause,
    present: ({ present }) => present,
  },
  order: "number desc",
};

export const orphanList: ListOf<Pick<Orphan, "peer" | "since"> & { workload: Ref; origin: Ref }> = {
  kind: "orphans",
  key: ({ workload: { namespace, name } }) => pathOf(namespace, name),
  fields: {
    name: ({ workload }) => workload.name,
    namespace: ({ workload }) => workload.namespace,
    peer: ({ peer }) => peer,
    origin: ({ origin }) => `${origin.namespace}/${origin.name}`,
    since: ({ since }) => since,
  },
};

interface Ref {
  readonly namespace: string;
  readonly name: string;
}

export const orphanAtPeerList: ListOf<Pick<OrphanAtPeer, "peer" | "uid" | "since"> & Ref> = {
  kind: "orphans at peers",
  key: ({ peer, uid }) => pathOf(peer, uid),
  fields: {
    peer: ({ peer }) => peer,
    uid: ({ uid }) => uid,
    name: ({ name }) => name,
    namespace: ({ namespace }) => namespace,
    since: ({ since }) => since,
  },
};

export const peerList: ListOf<Peer> = {
  kind: "peers",
  key: nameOf,
  labels: labelsOf,
  fields: {
    ...named,
    state: ({ status }) => status?.link?.state ?? "Disconnected",
    since: ({ status }) => status?.link?.since,
    version: ({ status }) => status?.version,
    grant: ({ spec }) => spec.grants,
    relay: ({ spec }) => spec.relays,
  },
};

export const inviteList: ListOf<InviteRecord> = {
  kind: "invites",
  key: ({ id }) => id,
  labels: ({ labels }) => labels,
  fields: {
    id: ({ id }) => id,
    name: ({ name }) => name,
    created: ({ createdAt }) => milliTimeText(createdAt),
    expires: ({ expiresAt }) => milliTimeText(expiresAt),
    confirm: ({ confirm }) => confirm,
  },
};

const kinds: Readonly<Record<Kind, FieldValue>> = {
  [Kind.UNSPECIFIED]: "",
  [Kind.APP]: "App",
  [Kind.TUNNEL]: "Tunnel",
};
const states: Readonly<Record<State, FieldValue>> = {
  [State.UNSPECIFIED]: "",
  [State.HELD]: "Held",
  [State.APPROVED]: "Approved",
  [State.DENIED]: "Denied",
};

export const inboxList: ListOf<InboxItem> = {
  kind: "inbox items",
  key: ({ name }) => name,
  fields: {
    name: ({ name }) => name,
    peer: ({ peer }) => peer,
    kind: ({ kind }) => kinds[kind],
    state: ({ state }) => states[state],
    subject: ({ subject }) => subject,
    since: ({ since }) => since,
  },
  order: "since",
};

export const policyList: ListOf<PeerPolicy> = {
  kind: "policies",
  key: nameOf,
  labels: labelsOf,
  fields: {
    ...named,
    selects: ({ status }) => status?.peers,
    valid: ({ status }) => status?.conditions.find(({ type }) => type === "Valid")?.status,
  },
};

export const forwardList: ListOf<{ readonly forward: Forward }> = {
  kind: "forwards",
  key: ({ forward: { metadata } }) => pathOf(metadata.namespace, metadata.name),
  labels: ({ forward }) => labelsOf(forward),
  fields: {
    name: ({ forward }) => namespaced.name(forward),
    namespace: ({ forward }) => namespaced.namespace(forward),
    created: ({ forward }) => namespaced.created(forward),
    peer: ({ forward }) => forward.spec.peer,
    target: ({ forward }) => forward.spec.target,
    direction: ({ forward }) => forward.spec.direction ?? "Forward",
    phase: ({ forward }) => forward.status?.phase,
  },
};

export const connectionList: ListOf<Connection> = {
  kind: "connections",
  key: ({ id }) => id,
  fields: {
    id: ({ id }) => id,
    peer: ({ peer }) => peer,
    side: ({ side }) => side,
    target: ({ target }) => targetText(target),
    kind: ({ target }) => target.kind,
    protocol: ({ target }) => (isDatagrams(target) ? "UDP" : "TCP"),
    by: ({ person }) => person,
    opened: ({ openedAt }) => milliTimeText(openedAt),
    out: ({ passed }) => passed.out,
    in: ({ passed }) => passed.in,
  },
  order: "opened",
};

export const targetList: ListOf<PeerTarget> = {
  kind: "targets",
  key: ({ peer, target }) => pathOf(peer, target),
  fields: {
    peer: ({ peer }) => peer,
    target: ({ target }) => target,
    port: ({ portName }) => portName,
    protocol: ({ protocol }) => protocol,
    appProtocol: ({ appProtocol }) => appProtocol,
    approval: ({ approvalNeeded }) => approvalNeeded,
    ready: ({ notReady }) => notReady === "",
  },
};

export const auditList: ListOf<AuditRecord> = {
  kind: "entries",
  key: ({ sequence }) => String(sequence),
  fields: {
    sequence: ({ sequence }) => sequence,
    at: ({ at }) => milliTimeText(at),
    action: ({ action }) => action,
    verdict: ({ verdict }) => verdict,
    peer: ({ actor }) => actor.peer,
    person: ({ actor }) => actor.person,
    target: ({ target }) => target,
    rule: ({ rule }) => rule,
    correlation: ({ correlation }) => correlation,
  },
  order: "sequence",
};

export const settingList: ListOf<{ readonly name: string; readonly source: string }> = {
  kind: "settings",
  key: ({ name }) => name,
  fields: { name: ({ name }) => name, source: ({ source }) => source },
};

export const featureList: ListOf<Pick<Feature, "name" | "enabled" | "setting">> = {
  kind: "features",
  key: ({ name }) => name,
  fields: { name: ({ name }) => name, enabled: ({ enabled }) => enabled, setting: ({ setting }) => setting },
};

const skews: Readonly<Record<Skew, string>> = {
  [Skew.UNSPECIFIED]: "",
  [Skew.NONE]: "None",
  [Skew.NEAR]: "Near",
  [Skew.FAR]: "Far",
  [Skew.UNKNOWN]: "Unknown",
};

export const versionList: ListOf<PeerVersion> = {
  kind: "versions of peers",
  key: ({ peer }) => peer,
  fields: { peer: ({ peer }) => peer, version: ({ version }) => version, skew: ({ skew }) => skews[skew] },
};

const severityRanks: Readonly<Record<Notification["severity"], number>> = { Info: 1, Warning: 2, Problem: 3 };

export const notificationList: ListOf<Notification> = {
  kind: "notifications",
  key: ({ id }) => id,
  fields: {
    id: ({ id }) => id,
    kind: ({ kind }) => kind,
    severity: ({ severity }) => severity,
    rank: ({ severity }) => severityRanks[severity],
    peer: ({ peers }) => peers,
    first: ({ firstAt }) => milliTimeText(firstAt),
    last: ({ lastAt }) => milliTimeText(lastAt),
    living: ({ resolvedAt }) => resolvedAt === undefined,
  },
  order: "last desc",
};
