/** How peers, apps, invites and orphans look on a terminal. Pure. */
import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { readyOf } from "../client/app-ready.ts";
import type { App, Orphan, OrphanAtPeer } from "../gen/fairlead/console/v1/app_service_pb.ts";
import type { ObjectMeta } from "../gen/fairlead/console/v1/object_pb.ts";
import type { Invite, Peer } from "../gen/fairlead/console/v1/peer_service_pb.ts";
import { PeerSpecSchema, PeerStatusSchema } from "../gen/fairlead/resources/v1alpha1/peer_pb.ts";
import { RemoteAppSpecSchema, RemoteAppStatusSchema } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { appDetail } from "./app-detail.ts";
import type { View } from "./output.ts";
import { grantTexts, peerDetail } from "./peer-detail.ts";
import { formatAge, sinceOf, type Tone } from "./table.ts";

const apiVersion = "fairlead.dev/v1alpha1";

/** RemoteApps. `now` is in milliseconds since 1970; `namespace` is where was looked, empty for everywhere. */
export function appView(now: number, namespace: string): View<App> {
  return {
    name: (app) => `remoteapp.fairlead.dev/${app.metadata?.name ?? ""}`,
    columns: [
      ...(namespace === "" ? [{ head: "NAMESPACE", cell: (app: App) => app.metadata?.namespace ?? "" }] : []),
      { head: "NAME", cell: (app) => app.metadata?.name ?? "" },
      { head: "PEER", cell: ({ spec, status }) => spec?.peer ?? status?.peers.map(({ peer }) => peer).join(",") ?? "" },
      { head: "STATUS", cell: (app) => appState(app, now), tone: appTone },
      { head: "READY", cell: readyOf },
      { head: "AGE", cell: (app) => ageOf(app.metadata, now) },
      { head: "REASON", cell: (app) => app.status?.reason ?? "" },
      { head: "IMAGE", cell: (app) => app.spec?.image ?? "", wide: true },
      { head: "MESSAGE", cell: (app) => app.status?.message ?? "", wide: true },
    ],
    json: (app) => ({
      apiVersion,
      kind: "RemoteApp",
      metadata: metadataJson(app.metadata),
      ...(app.spec && { spec: toJson(RemoteAppSpecSchema, app.spec) }),
      ...(app.status && { status: toJson(RemoteAppStatusSchema, app.status) }),
    }),
    empty:
      namespace === ""
        ? "No apps found in any namespace. Deploy one with `fairlead app deploy NAME --peer PEER --image IMAGE`."
        : `No apps found in namespace ${namespace}. -A looks in all of them.`,
    detail: (app) => appDetail(app, now),
  };
}

/** The phase, and for how long it has been unknown when the link is down. */
function appState(app: App, now: number): string {
  if (app.metadata?.deletedAt) return "Deleting";
  const phase = app.status?.phase || "Pending";
  const since = phase === "Unknown" ? sinceOf(app.status?.unknownSince, now) : "";
  return since ? `Unknown (${since})` : phase;
}

function appTone(app: App): Tone {
  if (app.status?.phase === "Ready" && !app.metadata?.deletedAt) return "good";
  return ["Degraded", "Denied", "Unknown"].includes(app.status?.phase ?? "") ? "bad" : "waiting";
}

/** Peers. */
export function peerView(now: number): View<Peer> {
  return {
    name: (peer) => `peer.fairlead.dev/${peer.metadata?.name ?? ""}`,
    columns: [
      { head: "NAME", cell: (peer) => peer.metadata?.name ?? "" },
      { head: "LINK", cell: (peer) => peer.status?.link?.state ?? "Unknown", tone: peerTone },
      { head: "SINCE", cell: (peer) => sinceOf(peer.status?.link?.since, now) },
      { head: "ROUND-TRIP", cell: (peer) => roundTrip(peer) },
      { head: "VERSION", cell: (peer) => peer.status?.version ?? "" },
      { head: "GRANTS", cell: (peer) => grantTexts(peer.spec, now).join(",") },
      { head: "AGE", cell: (peer) => ageOf(peer.metadata, now) },
      { head: "PATH", cell: (peer) => peer.status?.link?.path ?? "", wide: true },
      { head: "URL", cell: (peer) => peer.spec?.url ?? "", wide: true },
      { head: "FINGERPRINT", cell: (peer) => peer.spec?.fingerprint ?? "", wide: true },
      { head: "MESSAGE", cell: (peer) => peer.status?.link?.message ?? "", wide: true },
    ],
    json: (peer) => ({
      apiVersion,
      kind: "Peer",
      metadata: metadataJson(peer.metadata),
      ...(peer.spec && { spec: toJson(PeerSpecSchema, peer.spec) }),
      ...(peer.status && { status: toJson(PeerStatusSchema, peer.status) }),
    }),
    empty: "No peers. Run `fairlead invite` here and `fairlead join` on the other cluster.",
    detail: (peer) => peerDetail(peer, now),
  };
}

function peerTone(peer: Peer): Tone {
  const state = peer.status?.link?.state;
  return state === "Connected" ? "good" : state === "Connecting" ? "waiting" : "bad";
}

/** Invites that can still be used. */
export function inviteView(now: number): View<Invite> {
  return {
    name: (invite) => `invite/${invite.id}`,
    columns: [
      { head: "ID", cell: (invite) => invite.id },
      { head: "NAME", cell: (invite) => invite.name },
      { head: "GRANTS", cell: (invite) => invite.grants.join(",") },
      { head: "EXPIRES-IN", cell: (invite) => formatAge(Date.parse(invite.expiresAt) - now) },
      { head: "WAITING", cell: (invite) => (invite.pending ? `${invite.pending.name} (${invite.pending.words})` : "") },
      { head: "URL", cell: (invite) => invite.url, wide: true },
      { head: "RELAYS", cell: (invite) => invite.relays.join(","), wide: true },
    ],
    json: (invite) => ({
      id: invite.id,
      name: invite.name,
      grants: invite.grants,
      labels: invite.labels,
      expiresAt: invite.expiresAt,
      confirm: invite.confirm,
      url: invite.url,
      relays: invite.relays,
      ...(invite.pending && {
        pending: {
          fingerprint: invite.pending.fingerprint,
          name: invite.pending.name,
          words: invite.pending.words,
        },
      }),
    }),
    empty: "No open invites. Make one with `fairlead invite`.",
  };
}

/** Workloads here that their origin no longer knows. */
export function orphanView(now: number): View<Orphan> {
  return {
    name: (orphan) => `workload.fairlead.dev/${orphan.workload?.name ?? ""}`,
    columns: [
      { head: "NAMESPACE", cell: (orphan) => orphan.workload?.namespace ?? "" },
      { head: "WORKLOAD", cell: (orphan) => orphan.workload?.name ?? "" },
      { head: "PEER", cell: (orphan) => orphan.peer },
      { head: "ORIGIN", cell: (orphan) => `${orphan.origin?.namespace ?? ""}/${orphan.origin?.name ?? ""}` },
      { head: "ORPHANED", cell: (orphan) => sinceOf(orphan.since, now) },
    ],
    json: (orphan) => ({
      workload: { namespace: orphan.workload?.namespace ?? "", name: orphan.workload?.name ?? "" },
      peer: orphan.peer,
      origin: { namespace: orphan.origin?.namespace ?? "", name: orphan.origin?.name ?? "" },
      since: orphan.since,
    }),
    empty: "No orphans: every workload here is known to its origin.",
  };
}

/** What peers run for us and no RemoteApp stands for. */
export function orphanAtPeerView(now: number): View<OrphanAtPeer> {
  return {
    name: (orphan) => `${orphan.peer}/${orphan.uid}`,
    columns: [
      { head: "PEER", cell: (orphan) => orphan.peer },
      { head: "UID", cell: (orphan) => orphan.uid },
      { head: "APP", cell: (orphan) => `${orphan.app?.namespace ?? ""}/${orphan.app?.name ?? ""}` },
      { head: "ORPHANED", cell: (orphan) => sinceOf(orphan.since, now) },
    ],
    json: (orphan) => ({
      peer: orphan.peer,
      uid: orphan.uid,
      app: { namespace: orphan.app?.namespace ?? "", name: orphan.app?.name ?? "" },
      since: orphan.since,
    }),
    empty: "No orphans at connected peers: a RemoteApp stands for each app that they run for this cluster.",
  };
}

/** As Kubernetes prints it. */
export function metadataJson(metadata: ObjectMeta | undefined): JsonObject {
  if (!metadata) return {};
  return {
    ...(metadata.namespace && { namespace: metadata.namespace }),
    name: metadata.name,
    uid: metadata.uid,
    generation: Number(metadata.generation),
    resourceVersion: metadata.resourceVersion,
    creationTimestamp: metadata.createdAt,
    ...(metadata.deletedAt && { deletionTimestamp: metadata.deletedAt }),
    ...(Object.keys(metadata.labels).length > 0 && { labels: metadata.labels }),
    ...(Object.keys(metadata.annotations).length > 0 && { annotations: metadata.annotations }),
  };
}

function ageOf(metadata: ObjectMeta | undefined, now: number): string {
  return sinceOf(metadata?.createdAt, now);
}

function roundTrip(peer: Peer): string {
  const ms = peer.status?.roundTripMs;
  return ms === undefined ? "" : `${ms} ms`;
}
