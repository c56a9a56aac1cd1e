/** What needs somebody, of all that this agent knows. Pure. */
import type { InboxItem } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import { InboxItem_State as State } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import type { Cause } from "./ledger.ts";

/** What is looked at. Times are milliseconds since 1970. */
export interface Looked {
  readonly now: number;
  readonly inbox: readonly InboxItem[];
  readonly apps: readonly RemoteApp[];
  /** Whom the app is about. */
  concernOf(app: RemoteApp): "all" | readonly string[];
  readonly peers: readonly LookedPeer[];
  readonly certificates: readonly LookedCertificate[];
  /** How old the oldest entry of the audit is that is not where it is kept, in milliseconds. */
  readonly auditUnwrittenMs: number;
  readonly components: readonly { readonly name: string; readonly ok: boolean; readonly problem?: string }[];
}

export interface LookedPeer {
  readonly name: string;
  readonly uid: string;
  readonly joinedAt: number;
  readonly connected: boolean;
  /** Since when it is so. */
  readonly since: number;
  readonly lastError?: string | undefined;
  /** What is wrong with its version, and what would help; undefined when nothing is. */
  readonly skew?: { readonly summary: string; readonly remedy: string } | undefined;
}

export interface LookedCertificate {
  readonly name: "link" | "console";
  readonly validFrom: number;
  readonly validTo: number;
}

/** For how long an app may be Degraded, a link away and the audit unwritten before somebody is told, in milliseconds. */
const degradedMs = 30_000;
const downMs = 60_000;
const unwrittenMs = 30_000;
/** A peer is new for so long: it is told once, also when this agent was not there when it joined. */
const newMs = 24 * 3_600_000;
/** A certificate is renewed long before this part of its life is left. */
const leftPart = 1 / 5;

export function findCauses(looked: Looked): Cause[] {
  return [
    ...looked.inbox.flatMap((item) => ofInbox(item, looked.now)),
    ...looked.apps.flatMap((app) => ofApp(app, looked)),
    ...looked.peers.flatMap((peer) => ofPeer(peer, looked.now)),
    ...looked.certificates.flatMap((certificate) => ofCertificate(certificate, looked.now)),
    ...ofAudit(looked),
    ...looked.components.flatMap((component) => ofComponent(component, looked.now)),
  ];
}

function ofInbox({ name, state, peer, subject, since, findings }: InboxItem, now: number): Cause[] {
  if (state !== State.HELD) return [];
  return [
    {
      key: `inbox/${name}`,
      kind: "Inbox",
      severity: "Warning",
      summary: `${subject} of ${peer} waits for you`,
      message: findings[0]?.message ?? "",
      about: { inboxItem: name },
      peers: [peer],
      dueAt: timeOf(since, now),
    },
  ];
}

function ofApp(app: RemoteApp, { now, concernOf }: Looked): Cause[] {
  const { metadata, status } = app;
  const [namespace, name] = [metadata.namespace ?? "", metadata.name ?? ""];
  const phase = status?.phase;
  if (metadata.deletionTimestamp !== undefined || (phase !== "Degraded" && phase !== "Denied")) return [];
  const concern = concernOf(app);
  const peers = concern === "all" ? [] : concern;
  const at = peers.length > 0 ? ` at ${peers.slice(0, 3).join(", ")}${peers.length > 3 ? ", …" : ""}` : "";
  const ready = status?.conditions.find(({ type }) => type === "Ready");
  const since = timeOf(ready?.lastTransitionTime, now - degradedMs);
  const isRefused = phase === "Denied";
  return [
    {
      key: `app/${namespace}/${name}`,
      kind: isRefused ? "AppRefused" : "AppFailing",
      severity: "Problem",
      summary: `${namespace}/${name} ${isRefused ? "is refused" : "is not as it should be"}${at}`,
      message: status?.message ?? "",
      about: { app: { namespace, name } },
      peers,
      dueAt: isRefused ? since : since + degradedMs,
    },
  ];
}

function ofPeer({ name, uid, joinedAt, connected, since, lastError = "", skew }: LookedPeer, now: number): Cause[] {
  const of = { about: { peer: name }, peers: [name] };
  const joined: Cause = {
    ...{ ...of, key: `joined/${uid}`, kind: "PeerJoined", severity: "Info", message: "" },
    summary: `${name} has joined`,
    dueAt: joinedAt,
    once: true,
  };
  const down: Cause = {
    ...{ ...of, key: `link/${uid}`, kind: "LinkDown", severity: "Problem", message: lastError },
    summary: `There is no link to ${name}`,
    dueAt: since + downMs,
  };
  return [
    ...(now - joinedAt < newMs ? [joined] : []),
    ...(connected ? [] : [down]),
    ...(skew ? [{ ...of, ...versionCause(uid, skew, now) }] : []),
  ];
}

function versionCause(uid: string, { summary, remedy }: { summary: string; remedy: string }, now: number) {
  const what = { key: `version/${uid}`, kind: "VersionSkew", severity: "Warning" } as const;
  return { ...what, summary, message: remedy, dueAt: now };
}

function ofCertificate({ name, validFrom, validTo }: LookedCertificate, now: number): Cause[] {
  const dueAt = validTo - (validTo - validFrom) * leftPart;
  if (now < dueAt) return [];
  const isOver = now >= validTo;
  const end = new Date(validTo).toISOString();
  return [
    {
      key: `certificate/${name}`,
      kind: "Certificate",
      severity: isOver ? "Problem" : "Warning",
      summary: `The certificate of the ${name === "link" ? "link" : "console"} ${isOver ? "has ended" : "ends soon"}`,
      message: `${isOver ? "Since" : "It should have been replaced by now, and is good until"} ${end}.`,
      about: { certificate: name },
      peers: [],
      dueAt,
    },
  ];
}

function ofAudit({ auditUnwrittenMs, now }: Looked): Cause[] {
  if (auditUnwrittenMs < unwrittenMs) return [];
  return [
    {
      key: "audit",
      kind: "Audit",
      severity: "Problem",
      summary: "The audit cannot be written where it is kept",
      message: "It is in the log all the same. What keeps the agent's objects may not answer, or refuse to take more.",
      about: { component: "audit" },
      peers: [],
      dueAt: now - auditUnwrittenMs + unwrittenMs,
    },
  ];
}

/** The audit is told of by itself, and earlier. */
function ofComponent({ name, ok, problem = "" }: Looked["components"][number], now: number): Cause[] {
  if (ok || name === "audit") return [];
  return [
    {
      key: `component/${name}`,
      kind: "Component",
      severity: "Problem",
      summary: `A part of the agent is not well: ${name}`,
      message: problem,
      about: { component: name },
      peers: [],
      dueAt: now,
    },
  ];
}

function timeOf(text: string | undefined, otherwise: number): number {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? otherwise : ms;
}
