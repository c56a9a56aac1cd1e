/** The notifications of an agent, made of all that stands below the console. */
import { X509Certificate } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { PeerVersion_Skew as Skew } from "../../gen/fairlead/console/v1/agent_service_pb.ts";
import type { InboxItem } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { keyOf } from "../../kube/object.ts";
import type { Reflector } from "../../kube/reflector.ts";
import type { Peer } from "../../kube/resources.ts";
import type { Peering } from "../../peering/peering.ts";
import type { WorkloadOrigin } from "../../workloads/origin/origin.ts";
import { versionOf } from "../about-agent.ts";
import { comparePeer } from "../api/peer-version.ts";
import { concernOfApp } from "../app-peer.ts";
import { findCauses, type Looked, type LookedCertificate, type LookedPeer } from "./causes.ts";
import { createKubeNotificationStore } from "./kube-notification-store.ts";
import { createNotifications, type Notifications } from "./notifications.ts";

export interface OpenNotificationsDeps {
  readonly kube: { readonly client: Pick<KubeClient, "get" | "create" | "update"> };
  /** The agent's own. */
  readonly namespace: string;
  readonly about: { readonly version: string };
  readonly peering: Pick<Peering, "roster" | "switchboard">;
  readonly peerObjects: Reflector<Peer>;
  readonly workloads: { readonly origin: Pick<WorkloadOrigin, "list" | "subscribe" | "synced"> };
  readonly inbox: { list(): readonly InboxItem[]; subscribe(listener: () => void): () => void };
  /** What the console shows to browsers now. */
  readonly certificate: { current(): { readonly certPem: string } };
  /** What peers are shown now. */
  linkCertificate(): { readonly issuedAt: Date; readonly notAfter: Date };
  readonly audit: { oldestUnwrittenMs(): number };
  health(): { readonly checks: Looked["components"] };
  readonly clock: Clock;
  readonly log: Log;
}

export function openNotifications(deps: OpenNotificationsDeps): Notifications {
  const { kube, namespace, workloads, peering, peerObjects, inbox, clock, log } = deps;
  const look = (): Looked => ({
    now: clock.now(),
    inbox: inbox.list(),
    apps: workloads.origin.list(),
    concernOf: concernOfApp,
    peers: peering.roster.list().map(({ name }) => lookAtPeer(deps, name)),
    certificates: certificates(deps),
    auditUnwrittenMs: deps.audit.oldestUnwrittenMs(),
    components: deps.health().checks,
  });
  return createNotifications({
    store: createKubeNotificationStore({ client: kube.client, namespace }),
    ready: async (signal) => {
      await Promise.all([peerObjects.synced(signal), workloads.origin.synced(signal), peering.roster.synced(signal)]);
    },
    causes: () => findCauses(look()),
    sources: [
      (listener) => inbox.subscribe(listener),
      (listener) => workloads.origin.subscribe(listener),
      (listener) => peering.switchboard.subscribe(listener),
      (listener) => peerObjects.subscribe(listener),
    ],
    clock,
    log,
  });
}

function lookAtPeer(deps: OpenNotificationsDeps, name: string): LookedPeer {
  const stored = deps.peerObjects.get(keyOf({ namespace: deps.namespace, name }))?.metadata;
  const { state, since, lastError } = deps.peering.switchboard.status(name);
  const { skew, summary, remedy } = comparePeer(name, deps.about.version, versionOf(deps, name));
  return {
    name,
    uid: stored?.uid ?? name,
    joinedAt: Date.parse(stored?.creationTimestamp ?? "") || 0,
    connected: state === "connected",
    since,
    lastError,
    ...(skew === Skew.FAR && { skew: { summary, remedy } }),
  };
}

function certificates({ certificate, linkCertificate }: OpenNotificationsDeps): LookedCertificate[] {
  const shown = new X509Certificate(certificate.current().certPem);
  const { issuedAt, notAfter } = linkCertificate();
  return [
    { name: "link", validFrom: issuedAt.getTime(), validTo: notAfter.getTime() },
    { name: "console", validFrom: shown.validFromDate.getTime(), validTo: shown.validToDate.getTime() },
  ];
}
