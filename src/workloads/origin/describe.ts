/** A RemoteApp's status, told from what is known. Pure. */
import { isDeepStrictEqual } from "node:util";
import { create } from "@bufbuild/protobuf";
import { type Admission, AdmissionSchema } from "../../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import { type RemoteAppStatus, RemoteAppStatusSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Refusal } from "../../intent/wish.ts";
import { timeText } from "../../kube/time.ts";
import { conditionsFrom, type Finding } from "../conditions.ts";
import type { Decision, Facts, Happening, HostAnswer, PeerView } from "./facts.ts";
import { cut, findingsOf, type HostStatus, plain, word } from "./host-status.ts";
import { heldBy } from "./wishes.ts";

/** A link that is away for less than this is not worth a word: it is dialled again within seconds. */
const graceMs = 10_000;

/** The longest message in a status, and the longest reason in an admission, in characters. */
const mostChars = 4_096;
const mostReason = 1_024;

/** What is so, in one word and one sentence, and what the conditions make of it. */
interface View {
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

export function describe(facts: Facts): Decision {
  const { app, before, now } = facts;
  const holder = heldBy(app) ?? app.spec.peer ?? "";
  const peer = facts.peer(holder);
  const awayMs = peer.connected ? 0 : now - peer.since;
  const isAway = peer.known && !peer.connected && awayMs >= graceMs;
  const seen = look(facts, holder, peer);
  const view = isAway && heldBy(app) !== undefined ? unknown(seen, before, holder, peer) : seen;
  const generation = app.metadata.generation ?? 0;
  const heardAt = facts.heard?.peer === holder ? facts.heard.state?.at : undefined;
  const status = create(RemoteAppStatusSchema, {
    observedGeneration: view.answers ?? generation,
    phase: view.phase,
    reason: word(view.reason) ?? "Unknown",
    message: cut(view.message, mostChars),
    peer: holder,
    ...hostPart(view.host ?? before),
    ...(view.admission ? { admission: view.admission } : {}),
    conditions: conditionsFrom(conditions(view, holder, peer, isAway), before?.conditions ?? [], { generation, now }),
    ...lastHeard(heardAt, before),
    ...(isAway ? { unknownSince: before?.unknownSince ?? timeText(peer.since) } : {}),
  });
  const isWaiting = !peer.connected && !isAway && peer.known;
  const answer = answerIn(before, status);
  return {
    status,
    happenings: happenings(before, status),
    ...(answer ? { answer } : {}),
    ...(isWaiting ? { againMs: graceMs - awayMs } : {}),
  };
}

function look(facts: Facts, holder: string, peer: PeerView): View {
  const { app } = facts;
  const heard = facts.heard?.peer === holder ? facts.heard : undefined;
  const host = heard?.state?.status;
  const told = host ? { host } : {};
  if (app.metadata.deletionTimestamp) {
    const failing = heard?.refused?.refusal.reason === "Failing" ? ` ${heard.refused.refusal.message}` : "";
    const release = peer.connected ? "" : ` There is no link to it; to give up on it: fairlead peer remove ${holder}`;
    const message = `${holder} is asked to delete the app.${failing}${release}`;
    return { phase: "Deleting", reason: "Deleting", message, admitted: "Unknown", ...told };
  }
  if (app.problems?.length) {
    const message = `This agent does not understand the spec: ${app.problems.join("; ")}. Correct it, or upgrade the agent.`;
    return { phase: "Denied", reason: "UnknownFields", message, admitted: "False", ...told };
  }
  if (!peer.known) {
    const message = `There is no peer "${holder}" here. See: fairlead peer list. To pair with it: fairlead join INVITE --name ${holder}`;
    return { phase: "Pending", reason: "PeerUnknown", message, admitted: "Unknown", ...told };
  }
  if (holder !== app.spec.peer) {
    const away = peer.connected ? "" : " There is no link to it now.";
    const message = `${holder} has to delete the app before ${app.spec.peer} runs it.${away}`;
    return { phase: "Progressing", reason: "Moving", message, admitted: "Unknown", ...told };
  }
  return answered(facts, holder, peer);
}

function answered({ app, before, now, ...facts }: Facts, holder: string, peer: PeerView): View {
  const { state, refused } = facts.heard?.peer === holder ? facts.heard : {};
  const { wish, trouble } = facts.word;
  const hash = wish?.hash;
  const told = state ? { host: state.status } : {};
  if (trouble) {
    // What was sent once may run there, also when nothing was heard of it since this agent started.
    const ran = state !== undefined || (before?.peer === holder && before.hostNamespace !== undefined);
    const runsOn = ran ? ` The app is not sent anew; what ${holder} has of it goes on.` : " The app is not sent.";
    const message = `${trouble.message}${/[.!?]$/.test(trouble.message) ? "" : "."}${runsOn}`;
    return { phase: ran ? "Degraded" : "Pending", reason: trouble.reason, message, admitted: "Unknown", ...told };
  }
  if (refused && refused.hash === hash) {
    const runsOn = state && state.hash !== hash ? " What ran before runs on." : "";
    const { reason, message } = refused.refusal;
    const isFailing = reason === "Failing";
    const phase = isFailing ? "Degraded" : "Denied";
    const admitted = isFailing ? "Unknown" : "False";
    return {
      phase,
      reason: isFailing ? "HostFailing" : reason,
      message: `${holder}: ${plain(message, mostChars)}${runsOn}`,
      admitted,
      ...(isFailing ? {} : { admission: refusalAsAdmission(app, before, refused.refusal, now) }),
      ...told,
    };
  }
  if (!state || hash === undefined) {
    // After a restart of this agent what was written before still holds until the host says otherwise.
    const isCurrent = before?.peer === holder && before.observedGeneration === app.metadata.generation;
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
function refusalAsAdmission(
  app: Facts["app"],
  before: RemoteAppStatus | undefined,
  refusal: Refusal,
  now: number,
): Admission {
  const findings = findingsOf(refusal.violations);
  const reasons =
    findings.length > 0 ? findings.map(({ message = "" }) => message) : [plain(refusal.message, mostReason)];
  const known = before?.observedGeneration === app.metadata.generation ? before?.admission : undefined;
  const isKnown = known?.verdict === "Denied" && isDeepStrictEqual(known.reasons, reasons);
  const decidedAt = (isKnown ? known.decidedAt : undefined) ?? timeText(now);
  return create(AdmissionSchema, { verdict: "Denied", reasons, findings, decidedAt });
}

function fromBefore(status: RemoteAppStatus): View {
  const { phase = "", reason = "", message = "" } = status;
  const admitted = status.conditions.find(({ type }) => type === "Admitted")?.status;
  const isTrue = admitted === "True" || admitted === "False";
  return { phase, reason, message, admitted: isTrue ? admitted : "Unknown", admission: status.admission };
}

/** The link is down: what was so is what is known, and nothing more. */
function unknown(seen: View, before: RemoteAppStatus | undefined, holder: string, peer: PeerView): View {
  if (!peer.known || seen.phase === "Deleting" || seen.reason === "Moving" || seen.phase === "Pending") return seen;
  if (before?.phase === "Unknown" && !seen.host)
    return { ...seen, phase: "Unknown", reason: "LinkDown", message: before.message ?? "" };
  const message = `There has been no link to ${holder} since ${timeText(peer.since)}. The app was ${seen.phase} then: ${seen.message}`;
  return { ...seen, phase: "Unknown", reason: "LinkDown", message };
}

function hostPart(known: HostStatus | RemoteAppStatus | undefined): Partial<HostStatus> {
  if (!known) return {};
  const { hostNamespace, replicas, readyReplicas, updatedReplicas, availableReplicas, selector, pods } = known;
  return {
    ...(hostNamespace === undefined ? {} : { hostNamespace }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(readyReplicas === undefined ? {} : { readyReplicas }),
    ...(updatedReplicas === undefined ? {} : { updatedReplicas }),
    ...(availableReplicas === undefined ? {} : { availableReplicas }),
    ...(selector === undefined ? {} : { selector }),
    pods,
  };
}

function lastHeard(at: number | undefined, before: RemoteAppStatus | undefined): { lastHeardAt?: string } {
  const text = at === undefined ? before?.lastHeardAt : timeText(at);
  return text === undefined ? {} : { lastHeardAt: text };
}

function conditions(view: View, holder: string, peer: PeerView, isAway: boolean): Finding[] {
  const reason = word(view.reason) ?? "Unknown";
  const message = cut(view.message, mostChars);
  const isUnknown = view.phase === "Unknown" || (isAway && view.host !== undefined);
  const told = (isTrue: boolean): Finding["status"] => (isUnknown ? "Unknown" : isTrue ? "True" : "False");
  const moving = view.phase === "Progressing" || view.phase === "Pending";
  const isUp = peer.known && !isAway;
  const link = isUp
    ? { reason: "LinkUp", message: "" }
    : { reason: peer.known ? "LinkDown" : "PeerUnknown", message: `There is no link to ${holder}.` };
  const isAdmitted = view.admitted === "True";
  return [
    {
      type: "Admitted",
      status: view.admitted,
      reason: isAdmitted ? "Admitted" : reason,
      message: isAdmitted ? "" : message,
    },
    { type: "Ready", status: told(view.phase === "Ready"), reason, message },
    { type: "Progressing", status: told(moving), reason, message },
    { type: "Connected", status: isUp ? "True" : "False", ...link },
  ];
}

/** One Event for each change of the phase or its reason, and one for each approval. */
function happenings(before: RemoteAppStatus | undefined, after: RemoteAppStatus): Happening[] {
  const found: Happening[] = [];
  if (before?.admission?.verdict === "Held" && after.admission?.verdict === "Admitted") {
    found.push({ type: "Normal", reason: "Approved", note: approval(after, after.admission) });
  }
  if (before && before.phase === after.phase && before.reason === after.reason && !isHeldAnew(before, after))
    return found;
  const isBad = ["Degraded", "Denied", "Unknown"].includes(after.phase ?? "") || after.reason === "PeerUnknown";
  const type = isBad ? "Warning" : "Normal";
  return [...found, { type, reason: after.reason ?? "", note: `${after.phase}: ${after.message}` }];
}

function approval({ peer }: RemoteAppStatus, { message, until }: Admission): string {
  return `${peer} lets it run${until ? ` until ${until}` : ""}${message ? `: ${message}` : "."}`;
}

/** An edit while it was held: what waits now is another wish. */
function isHeldAnew(before: RemoteAppStatus, after: RemoteAppStatus): boolean {
  const isNew = before.observedGeneration !== after.observedGeneration;
  return after.admission?.verdict === "Held" && before.admission?.verdict === "Held" && isNew;
}

/** What the host decided, when it is news: another verdict, other rules, or the same about another wish. */
function answerIn(before: RemoteAppStatus | undefined, after: RemoteAppStatus): HostAnswer | undefined {
  const { verdict } = after.admission ?? {};
  if (verdict !== "Admitted" && verdict !== "Held" && verdict !== "Denied") return undefined;
  const rules = (of: RemoteAppStatus | undefined): unknown[] => [
    of?.observedGeneration,
    of?.peer,
    of?.admission?.verdict,
    ...(of?.admission?.findings.map(({ rule }) => rule) ?? []),
  ];
  if (isDeepStrictEqual(rules(before), rules(after))) return undefined;
  const [first] = after.admission?.findings ?? [];
  const why = after.admission?.reasons.join("; ") || after.admission?.message;
  return { verdict, ...(first?.rule ? { rule: first.rule } : {}), ...(why ? { message: why } : {}) };
}
