/** A RemoteApp's status, told from what is known: of one peer as it is there, of several the sums and the worst. Pure. */
import { create } from "@bufbuild/protobuf";
import { type AppAtPeer, AppAtPeerSchema } from "../../gen/fairlead/resources/v1alpha1/placement_pb.ts";
import {
  type AppImage,
  AppImageSchema,
  type RemoteAppStatus,
  RemoteAppStatusSchema,
} from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { timeText } from "../../kube/time.ts";
import { digestOf, imagesOf, isPulledThrough } from "../../policy/pinned-images.ts";
import { conditionsFrom, type Finding } from "../conditions.ts";
import { type AtPeer, lookAt, mostChars, type View } from "./at-peer.ts";
import type { Decision, Facts, Target } from "./facts.ts";
import type { Holding } from "./holding.ts";
import { cut, word } from "./host-status.ts";
import { answersIn, happeningsIn } from "./news.ts";
import { countsOf, mostOf } from "./sums.ts";
import { pinnedOf } from "./wishes.ts";

type Described = Pick<Decision, "happenings" | "answers" | "ask" | "leaving"> & {
  status: RemoteAppStatus;
  againMs?: number;
};

/** The longest message about one of several peers, in characters. */
const mostAtPeer = 1_024;

/** The worse comes first. */
const severity = ["Denied", "Degraded", "Held", "Unknown", "Pending", "Deleting", "Progressing", "Orphaned", "Ready"];

export function describe(
  facts: Facts,
  { holding, target, leaving }: { holding: Holding; target: Target; leaving: readonly string[] },
): Described {
  const { app, before, now } = facts;
  // Where it has ended by itself nothing runs: that is told of the peer, and the whole is as it is without.
  const isDeleted = app.metadata.deletionTimestamp !== undefined;
  const held = isDeleted ? [...holding.peers, ...holding.ended].sort() : holding.peers;
  const named = held.length > 0 || app.spec.peer === undefined ? held : [app.spec.peer];
  const all = named.map((peer) => lookAt(facts, peer, leaving));
  const ended = isDeleted ? [] : holding.ended.map((peer) => lookAt(facts, peer, leaving));
  const missing = missingView(target, facts);
  const [only] = all.length === 1 && !missing ? all : [];
  const view = only ? only.view : combined(all, missing, target);
  const generation = app.metadata.generation ?? 0;
  const answers = all.flatMap((at) => (at.isLeaving || at.view.answers === undefined ? [] : [at.view.answers]));
  const isPlaced = app.spec.placement !== undefined || all.length + ended.length > 1;
  const waits = all.flatMap(({ againMs }) => (againMs === undefined ? [] : [againMs]));
  const said = could(facts, view);
  const status = create(RemoteAppStatusSchema, {
    observedGeneration: Math.min(generation, ...answers),
    phase: view.phase,
    reason: word(view.reason) ?? "Unknown",
    message: cut(`${view.message}${said}`, mostChars),
    ...(only ? { peer: only.peer } : {}),
    ...countsOf(all, only),
    ...mostOf(all, isPlaced),
    ...(view.admission ? { admission: view.admission } : {}),
    conditions: conditionsFrom(conditions(view, all), before?.conditions ?? [], { generation, now }),
    ...lastHeard(all),
    ...unknownSince(all),
    images: imagesIn(app),
    peers: isPlaced ? [...all, ...ended].map((at) => atPeer(at, app.spec.replicas ?? 1)).sort(byPeer) : [],
  });
  return {
    status,
    leaving,
    happenings: happeningsIn(before, status),
    answers: answersIn(before, status, all),
    ask: [],
    ...(waits.length > 0 ? { againMs: Math.min(...waits) } : {}),
  };
}

/** What the images stand for that come through this agent. */
function imagesIn(app: Facts["app"]): AppImage[] {
  if (!isPulledThrough(app.spec)) return [];
  const pinned = pinnedOf(app);
  return imagesOf(app.spec).flatMap((image) => {
    const digest = digestOf(image, app.spec.restartedAt ?? "", pinned);
    return digest === undefined ? [] : [create(AppImageSchema, { image, digest })];
  });
}

/** Some peers that the app wants are not there. */
function missingView({ found, chosen }: Target, { app }: Facts): View | undefined {
  if (!found || found.missing === 0 || app.metadata.deletionTimestamp || app.problems?.length) return undefined;
  const { missing, matching, connected } = found;
  const count = chosen.length === 0 ? "No peer" : `${missing} ${missing === 1 ? "peer is" : "peers are"} missing: none`;
  const which = `${matching} ${matching === 1 ? "peer has" : "peers have"} the labels and facts that placement asks for, ${connected} of them connected`;
  const message = `${count} can run it now; ${which}. See: fairlead peer list`;
  return { phase: "Pending", reason: chosen.length === 0 ? "NoPeer" : "TooFewPeers", message, admitted: "Unknown" };
}

function combined(all: readonly AtPeer[], missing: View | undefined, { chosen }: Target): View {
  const staying = all.filter(({ isLeaving }) => !isLeaving);
  const rank = ({ phase }: View): number => severity.indexOf(phase);
  const worst = [...all].sort((a, b) => rank(a.view) - rank(b.view) || +a.isLeaving - +b.isLeaving)[0];
  if (!worst)
    return missing ?? { phase: "Pending", reason: "NoPeer", message: "No peer runs it.", admitted: "Unknown" };
  const ready = staying.filter(({ view }) => view.phase === "Ready").length;
  const peers = Math.max(staying.length, chosen.length);
  if (missing && rank(missing) <= rank(worst.view)) return { ...missing, admitted: worst.view.admitted };
  const { phase, reason, message, admitted, admission } = worst.view;
  const isWell = phase === "Ready";
  const text = isWell
    ? `All ${peers} peers have it ready.`
    : `Ready at ${ready} of ${peers} peers. At ${worst.peer}: ${message}`;
  return { phase, reason, message: text, admitted, ...(admission ? { admission } : {}) };
}

/** Who could run what a host does not understand. */
function could({ app, ...facts }: Facts, { admission }: View): string {
  if (!admission?.findings.some(({ rule }) => rule === "unknown-field")) return "";
  const others = facts.peers().map(({ name }) => ({ name, would: facts.would(name) }));
  const able = others.filter(({ would }) => would === "run" || would === "hold").map(({ name }) => name);
  if (able.length > 0) return ` Of the connected peers ${able.sort().slice(0, 16).join(", ")} could run it.`;
  const asked = others.filter(({ would }) => would === "refuse").length;
  return asked > 1 ? " No connected peer that was asked could run it." : "";
}

function atPeer({ peer, view, before, isAway, isLeaving, heardAt, link }: AtPeer, replicas: number): AppAtPeer {
  const host = view.host ?? before;
  const lastHeardAt = heardAt === undefined ? before?.lastHeardAt : timeText(heardAt);
  return create(AppAtPeerSchema, {
    peer,
    phase: view.phase,
    reason: word(view.reason) ?? "Unknown",
    message: cut(view.message, mostAtPeer),
    desiredReplicas: isLeaving ? 0 : replicas,
    ...(host?.hostNamespace === undefined ? {} : { hostNamespace: host.hostNamespace }),
    ...(host?.replicas === undefined ? {} : { replicas: host.replicas }),
    ...(host?.readyReplicas === undefined ? {} : { readyReplicas: host.readyReplicas }),
    ...(host?.updatedReplicas === undefined ? {} : { updatedReplicas: host.updatedReplicas }),
    ...(host?.availableReplicas === undefined ? {} : { availableReplicas: host.availableReplicas }),
    ...(host?.rollout ? { rollout: host.rollout } : {}),
    ...(lastHeardAt === undefined ? {} : { lastHeardAt }),
    ...(isAway ? { unknownSince: before?.unknownSince ?? timeText(link.since) } : {}),
    ...(view.admission ? { admission: view.admission } : {}),
    ...(isLeaving ? { leaving: true } : {}),
  });
}

function byPeer(a: AppAtPeer, b: AppAtPeer): number {
  return (a.peer ?? "") < (b.peer ?? "") ? -1 : 1;
}

function lastHeard(all: readonly AtPeer[]): { lastHeardAt?: string } {
  const times = all.flatMap(({ heardAt, before }) =>
    heardAt === undefined ? (before?.lastHeardAt ?? []) : timeText(heardAt),
  );
  const last = times.sort((a, b) => Date.parse(a) - Date.parse(b)).at(-1);
  return last === undefined ? {} : { lastHeardAt: last };
}

function unknownSince(all: readonly AtPeer[]): { unknownSince?: string } {
  const times = all.flatMap(({ isAway, before, link }) =>
    isAway ? [before?.unknownSince ?? timeText(link.since)] : [],
  );
  const [first] = times.sort((a, b) => Date.parse(a) - Date.parse(b));
  return first === undefined ? {} : { unknownSince: first };
}

function conditions(view: View, all: readonly AtPeer[]): Finding[] {
  const reason = word(view.reason) ?? "Unknown";
  const message = cut(view.message, mostChars);
  const isUnknown = view.phase === "Unknown" || all.some(({ isAway, view: { host } }) => isAway && host !== undefined);
  const told = (isTrue: boolean): Finding["status"] => (isUnknown ? "Unknown" : isTrue ? "True" : "False");
  const moving = view.phase === "Progressing" || view.phase === "Pending";
  const down = all.find(({ link, isAway }) => !link.known || isAway);
  const link =
    all.length > 0 && !down
      ? { reason: "LinkUp", message: "" }
      : {
          reason: !down ? "NoPeer" : down.link.known ? "LinkDown" : "PeerUnknown",
          message: down ? `There is no link to ${down.peer}.` : "",
        };
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
    { type: "Connected", status: link.reason === "LinkUp" ? "True" : "False", ...link },
  ];
}
