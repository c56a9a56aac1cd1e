/** How one RemoteApp is at one of its peers, told from what is known. Pure. */
import { isDeepStrictEqual } from "node:util";
import { create } from "@bufbuild/protobuf";
import { type Admission, AdmissionSchema } from "../../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import type { RemoteAppStatus } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Refusal } from "../../intent/wish.ts";
import { timeText } from "../../kube/time.ts";
import type { Finding } from "../conditions.ts";
import type { Facts, PeerView } from "./facts.ts";
import { type Holding, holdingOf } from "./holding.ts";
import { findingsOf, type HostStatus, plain } from "./host-status.ts";

/** A link that is away for less than this is not worth a word: it is dialled again within seconds. */
const graceMs = 10_000;

/** The longest message in a status, and the longest reason in an admission, in characters. */
export const mostChars = 4_096;
const mostReason = 1_024;

/** What was said of the app at a peer before, in the status of the whole or of the peer. */
export type Before = Partial<Omit<HostStatus, "pods" | "events">> &
  Pick<HostStatus, "pods" | "events"> &
  Pick<RemoteAppStatus, "lastHeardAt" | "unknownSince" | "observedGeneration"> & {
    readonly admitted?: string | undefined;
  };

/** What is so, in one word and one sentence, and what the conditions make of it. */
export interface View {
  phase: string;
  reason: string;
  message: string;
  admitted: Finding["status"];
  /** What the host decided about the present wish. */
  admission?: Admission | undefined;
  /** What the host said last, fresh or not. */
  host?: HostStatus;
  /** The generation that the phase answers. */
  answers?: number;
}

export interface AtPeer {
  readonly peer: string;
  readonly link: PeerView;
  /** There has been no link for longer than is nothing. */
  readonly isAway: boolean;
  readonly isLeaving: boolean;
  readonly view: View;
  readonly before: Before | undefined;
  /** Wall time in milliseconds at which the host last said something, in this process' life. */
  readonly heardAt: number | undefined;
  /** In how many milliseconds the link will have been away for too long. */
  readonly againMs?: number;
}

export function lookAt(facts: Facts, peer: string, leaving: readonly string[]): AtPeer {
  const link = facts.peer(peer);
  const awayMs = link.connected ? 0 : facts.now - link.since;
  const isAway = link.known && !link.connected && awayMs >= graceMs;
  const { peers, ended } = holdingOf(facts.app);
  const isLeaving = leaving.includes(peer) || ended.includes(peer);
  const before = beforeAt(facts.before, peer);
  const seen = look(facts, peer, link, { isLeaving, before });
  const view = isAway && (peers.includes(peer) || ended.includes(peer)) ? unknown(seen, before, peer, link) : seen;
  const isWaiting = !link.connected && !isAway && link.known;
  return {
    peer,
    link,
    isAway,
    isLeaving,
    view,
    before,
    heardAt: heardFrom(facts, peer)?.state?.at,
    ...(isWaiting ? { againMs: graceMs - awayMs } : {}),
  };
}

function heardFrom({ heard }: Facts, peer: string): Facts["heard"][number] | undefined {
  return heard.find((one) => one.peer === peer);
}

/** What is stored of the app at this peer. */
function beforeAt(before: RemoteAppStatus | undefined, peer: string): Before | undefined {
  if (!before) return undefined;
  const admitted = before.conditions.find(({ type }) => type === "Admitted")?.status;
  if (before.peer === peer) return { ...before, admitted };
  const one = before.peers.find((entry) => entry.peer === peer);
  if (!one) return undefined;
  const of = <T extends { peer?: string | undefined }>(all: readonly T[]): T[] =>
    all.filter((each) => each.peer === peer);
  const { observedGeneration } = before;
  const verdict = one.admission?.verdict;
  const known = verdict === "Admitted" ? "True" : verdict === "Denied" ? "False" : "Unknown";
  return { ...one, observedGeneration, pods: of(before.pods), events: of(before.events), admitted: known };
}

function look(
  facts: Facts,
  holder: string,
  link: PeerView,
  { isLeaving, before }: { isLeaving: boolean; before: Before | undefined },
): View {
  const { app } = facts;
  const heard = heardFrom(facts, holder);
  const host = heard?.state?.status;
  const told = host ? { host } : {};
  if (app.metadata.deletionTimestamp) {
    const failing = heard?.refused?.refusal.reason === "Failing" ? ` ${heard.refused.refusal.message}` : "";
    const release = link.connected ? "" : ` There is no link to it; to give up on it: fairlead peer remove ${holder}`;
    const message = `${holder} is asked to delete the app.${failing}${release}`;
    return { phase: "Deleting", reason: "Deleting", message, admitted: "Unknown", ...told };
  }
  if (app.problems?.length) {
    const message = `This agent does not understand the spec: ${app.problems.join("; ")}. Correct it, or upgrade the agent.`;
    return { phase: "Denied", reason: "UnknownFields", message, admitted: "False", ...told };
  }
  if (isLeaving) return leave(facts, holder, link, told);
  if (!link.known) {
    const message = `There is no peer "${holder}" here. See: fairlead peer list. To pair with it: fairlead join INVITE --name ${holder}`;
    return { phase: "Pending", reason: "PeerUnknown", message, admitted: "Unknown" };
  }
  return answered(facts, holder, link, before);
}

function leave({ app, ...facts }: Facts, holder: string, { connected }: PeerView, told: { host?: HostStatus }): View {
  const { peers, leases }: Holding = holdingOf(app);
  const view = { phase: "Progressing", reason: "Moving", admitted: "Unknown", ...told } as const;
  if (!peers.includes(holder)) {
    const message = `${holder} has ended the app by itself, and deletes what is left of it when there is a link to it.`;
    return { ...view, ...(told.host ? { host: withoutPods(told.host) } : {}), message };
  }
  const seconds = Math.ceil(facts.endsInMs(holder) / 1000);
  const byItself = leases[holder] === undefined ? "" : ` It ends by itself there, in ${seconds} s at the latest.`;
  const away = connected ? "" : ` There is no link to it now.${byItself}`;
  const next = app.spec.peer === undefined ? "" : ` before ${app.spec.peer} runs it`;
  return { ...view, message: `${holder} has to delete the app${next}.${away}` };
}

/** What a host said last counts no more when it has ended the app since. */
function withoutPods(host: HostStatus): HostStatus {
  return { ...host, replicas: 0, readyReplicas: 0, updatedReplicas: 0, availableReplicas: 0, pods: [] };
}

function answered(facts: Facts, holder: string, peer: PeerView, before: Before | undefined): View {
  const { app, now } = facts;
  const { state, refused } = heardFrom(facts, holder) ?? {};
  const { wish, trouble } = facts.word;
  const hash = wish?.hash;
  const told = state ? { host: state.status } : {};
  if (trouble) {
    // What was sent once may run there, also when nothing was heard of it since this agent started.
    const ran = state !== undefined || before?.hostNamespace !== undefined;
    const runsOn = ran ? ` The app is not sent anew; what ${holder} has of it goes on.` : " The app is not sent.";
    const message = `${trouble.message}${/[.!?]$/.test(trouble.message) ? "" : "."}${runsOn}`;
    return { phase: ran ? "Degraded" : "Pending", reason: trouble.reason, message, admitted: "Unknown", ...told };
  }
  if (refused && refused.hash === hash) {
    const runsOn = state && state.hash !== hash ? " What ran before runs on." : "";
    const { reason, message } = refused.refusal;
    const isFailing = reason === "Failing";
    return {
      phase: isFailing ? "Degraded" : "Denied",
      reason: isFailing ? "HostFailing" : reason,
      message: `${holder}: ${plain(message, mostChars)}${runsOn}`,
      admitted: isFailing ? "Unknown" : "False",
      ...(isFailing ? {} : { admission: refusalAsAdmission(app, before, refused.refusal, now) }),
      ...told,
    };
  }
  if (!state || hash === undefined) {
    // After a restart of this agent what was written before still holds until the host says otherwise.
    const isCurrent = before !== undefined && before.observedGeneration === app.metadata.generation;
    if (isCurrent && before.phase && before.phase !== "Pending") return fromBefore(before);
    if (hash === undefined) {
      const message = "The Secrets and ConfigMaps that the app refers to are being read.";
      return { phase: state ? "Progressing" : "Pending", reason: "Reading", message, admitted: "Unknown", ...told };
    }
    const message = peer.connected
      ? `${holder} has not answered yet.${peer.trouble === undefined ? "" : ` The last attempt broke off: ${peer.trouble}`}`
      : `There is no link to ${holder} now; the wish goes there as soon as there is one.`;
    return { phase: "Pending", reason: peer.connected ? "Sent" : "LinkDown", message, admitted: "Unknown" };
  }
  if (state.hash !== hash) {
    const trouble = peer.trouble === undefined ? "" : ` The last attempt broke off: ${peer.trouble}`;
    const message = `The change is on its way to ${holder}.${trouble}`;
    return { phase: "Progressing", reason: "Sent", message, admitted: "Unknown", answers: state.generation, ...told };
  }
  const { phase = "", reason = "", message = "", admission } = state.status;
  return { phase, reason, message, admitted: admissionStatus(phase, admission), admission, ...told };
}

/** A host without policies says nothing of admission, and runs what it took. */
function admissionStatus(phase: string, admission: Admission | undefined): Finding["status"] {
  const verdict = admission?.verdict ?? phase;
  return verdict === "Held" ? "Unknown" : verdict === "Denied" ? "False" : "True";
}

/** The rules that refused a wish, as the same rules would stand in a status. The time is of the first such answer to this wish. */
function refusalAsAdmission(app: Facts["app"], before: Before | undefined, refusal: Refusal, now: number): Admission {
  const findings = findingsOf(refusal.violations);
  const reasons =
    findings.length > 0 ? findings.map(({ message = "" }) => message) : [plain(refusal.message, mostReason)];
  const known = before?.observedGeneration === app.metadata.generation ? before?.admission : undefined;
  const isKnown = known?.verdict === "Denied" && isDeepStrictEqual(known.reasons, reasons);
  const decidedAt = (isKnown ? known.decidedAt : undefined) ?? timeText(now);
  return create(AdmissionSchema, { verdict: "Denied", reasons, findings, decidedAt });
}

function fromBefore({ phase = "", reason = "", message = "", admitted, admission }: Before): View {
  const isTrue = admitted === "True" || admitted === "False";
  return { phase, reason, message, admitted: isTrue ? admitted : "Unknown", admission };
}

/** The link is down: what was so is what is known, and nothing more. */
function unknown(seen: View, before: Before | undefined, holder: string, peer: PeerView): View {
  if (!peer.known || seen.phase === "Deleting" || seen.reason === "Moving" || seen.phase === "Pending") return seen;
  if (before?.phase === "Unknown" && !seen.host)
    return { ...seen, phase: "Unknown", reason: "LinkDown", message: before.message ?? "" };
  const message = `There has been no link to ${holder} since ${timeText(peer.since)}. The app was ${seen.phase} then: ${seen.message}`;
  return { ...seen, phase: "Unknown", reason: "LinkDown", message };
}
