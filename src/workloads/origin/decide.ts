/**
 * What to do about one RemoteApp now, told from what is known. Pure: the controller does what it says and asks again after
 * every change of anything that is passed in.
 *
 * Never does an app run at more peers than it is to: whoever may run it is written down before the first wish goes there, there is
 * room for so many, and a place is free again only when its holder has said that the app is gone, has ended it by itself
 * for want of word from here, or is no peer any more by our operator's word.
 */
import { imagesFeature, isPulledThrough } from "../../policy/pinned-images.ts";
import { describe } from "./describe.ts";
import type { Decision, Facts, Happening, NamedPeer, Target } from "./facts.ts";
import { type Holding, hasFinalizer, holdingOf, isHeld, isLeftRunning, nobody, sameHolding } from "./holding.ts";
import { place } from "./place.ts";
import { leaseOf } from "./wishes.ts";

/** Peers that are asked at once whether they would run an app. */
const mostAsked = 16;

export function decide(facts: Facts): Decision {
  const { app } = facts;
  const holding = holdingOf(app);
  const isDeleted = app.metadata.deletionTimestamp !== undefined;
  if (isDeleted && !hasFinalizer(app)) return nothing;
  if (isLeftRunning(app)) return { ...nothing, hold: nobody, happenings: holding.peers.map(leftRunning) };
  const target = isDeleted ? { chosen: [], limit: 0 } : targetOf(facts, holding);
  const leaving = holding.peers.filter((peer) => !target.chosen.includes(peer));
  const { next, happenings, againMs } = nextHolding(facts, holding, target);
  if (isDeleted && !isHeld(next)) return { ...nothing, hold: nobody, leaving, happenings };
  if (!sameHolding(next, holding)) return { ...nothing, hold: next, leaving, happenings };
  const description = describe(facts, { holding, target, leaving });
  const ask = isDeleted ? [] : worthAsking(facts, holding, target);
  const again = [againMs, awayAgainMs(facts, holding), description.againMs, askAgainMs(facts, target)].filter(
    (ms) => ms !== undefined,
  );
  return {
    ...description,
    leaving,
    ask,
    ...(again.length > 0 ? { againMs: Math.max(1, Math.min(...again)) } : {}),
  };
}

const nothing: Decision = { leaving: [], happenings: [], answers: [], ask: [] };

function targetOf(facts: Facts, holding: Holding): Target {
  const { app } = facts;
  const { peer, placement } = app.spec;
  // What this agent does not understand it sends nowhere, and takes from nowhere.
  if (app.problems?.length) return { chosen: holding.peers, limit: 0 };
  if (!placement) return { chosen: peer === undefined ? [] : [peer], limit: 1 };
  const { uid = "" } = app.metadata;
  // Where no cluster is, no app is ever run, and one that is wanted at all peers is not wanted there.
  const able = facts.peers().filter((candidate) => !standsAlone(candidate));
  const candidates = able.map((candidate) => {
    const { connected, since } = facts.peer(candidate.name);
    const isAway = !connected && facts.now - since >= (placement.unreachableSeconds ?? 300) * 1000;
    const would = facts.would(candidate.name) ?? (lacksDoor(app, candidate) ? "refuse" : undefined);
    return { ...candidate, connected, isAway, would };
  });
  const { chosen, limit, ...found } = place({
    uid,
    placement,
    holders: holding.peers,
    barred: holding.ended,
    candidates,
  });
  return { chosen, limit, found };
}

/** It says of itself that there is no cluster where it is. */
function standsAlone({ facts }: NamedPeer): boolean {
  return facts?.place === "standalone";
}

/** It says of itself that its nodes could not pull the images that the app brings along. */
function lacksDoor({ spec }: Facts["app"], { facts }: NamedPeer): boolean {
  return isPulledThrough(spec) && facts !== undefined && !facts.features?.split(",").includes(imagesFeature);
}

function nextHolding(
  facts: Facts,
  holding: Holding,
  { chosen, limit }: Target,
): { next: Holding; happenings: Happening[]; againMs: number | undefined } {
  const happenings: Happening[] = [];
  const peers: string[] = [];
  const ended: string[] = [];
  const waits: number[] = [];
  for (const peer of holding.peers) {
    const fate = chosen.includes(peer) ? "stays" : fateOf(facts, peer);
    if (fate === "left") happenings.push(leftBehind(peer));
    if (fate === "ended") {
      ended.push(peer);
      happenings.push(endedBy(peer));
    }
    if (fate === "stays") peers.push(peer);
    if (!chosen.includes(peer)) waits.push(facts.endsInMs(peer));
  }
  for (const peer of holding.ended) {
    if (facts.peer(peer).known && !isGone(facts, peer)) ended.push(peer);
  }
  for (const peer of chosen) {
    const isFree = peers.length < limit && !ended.includes(peer) && facts.peer(peer).known;
    if (isFree && !peers.includes(peer)) peers.push(peer);
  }
  peers.sort();
  const againMs = waits.filter((ms) => Number.isFinite(ms) && ms > 0).sort((a, b) => a - b)[0];
  return { next: { peers, ended: ended.sort(), leases: leases(facts, holding, peers, chosen) }, happenings, againMs };
}

/** What becomes of a holder that is to end the app. */
function fateOf(facts: Facts, peer: string): "stays" | "gone" | "left" | "ended" {
  if (isGone(facts, peer)) return "gone";
  const isLeased = holdingOf(facts.app).leases[peer] !== undefined;
  const isOver = isLeased && facts.endsInMs(peer) <= 0;
  // Who removes a peer has said what it still runs is not our affair; but what ends by itself is waited for.
  if (!facts.peer(peer).known) return isLeased && !isOver ? "stays" : "left";
  return isOver ? "ended" : "stays";
}

function isGone({ heard }: Facts, peer: string): boolean {
  return heard.some((one) => one.peer === peer && one.gone === true);
}

/**
 * For how long each holder goes on without word from here, at most. A longer time is written before the peer can hear of it, a
 * shorter one after the peer has said that it has the wish with it.
 */
function leases(facts: Facts, before: Holding, peers: readonly string[], chosen: readonly string[]): Holding["leases"] {
  const seconds = leaseOf(facts.app);
  const hash = facts.word.wish?.hash;
  const bounds: Record<string, number> = {};
  for (const peer of peers) {
    const known = before.leases[peer];
    const isNew = !before.peers.includes(peer);
    const state = facts.heard.find((one) => one.peer === peer)?.state;
    const isHeard = hash !== undefined && state?.hash === hash;
    const isStaying = chosen.includes(peer) && !facts.app.problems?.length;
    if (!isStaying) {
      if (known !== undefined) bounds[peer] = known;
    } else if (seconds > 0 && (isNew || isHeard || (known !== undefined && known < seconds))) bounds[peer] = seconds;
    else if (seconds > 0 && known !== undefined) bounds[peer] = known;
  }
  return bounds;
}

/** When a holder that is away will have been so for too long. */
function awayAgainMs({ app, now, ...facts }: Facts, { peers }: Holding): number | undefined {
  const { move, unreachableSeconds = 300 } = app.spec.placement ?? {};
  if (move !== "Unreachable") return undefined;
  const views = peers.map((peer) => facts.peer(peer)).filter(({ connected }) => !connected);
  const waits = views.map(({ since }) => since + unreachableSeconds * 1000 - now).filter((ms) => ms > 0);
  return waits.length > 0 ? Math.min(...waits) : undefined;
}

/** Once a holder refuses the app: who else might take it, or could run it at least. */
function worthAsking(facts: Facts, holding: Holding, { chosen, found }: Target): string[] {
  const { app } = facts;
  const hash = facts.word.wish?.hash;
  const refusals = facts.heard.filter(({ peer, refused }) => holding.peers.includes(peer) && refused?.hash === hash);
  const isUnknown = refusals.some(({ refused }) =>
    refused?.refusal.violations.some(({ rule }) => rule === "unknown-field"),
  );
  const isRefused = chosen.some((peer) => facts.would(peer) === "refuse");
  if (!isUnknown && !(found && isRefused && app.spec.placement?.move !== "Never")) return [];
  return facts
    .peers()
    .map(({ name }) => name)
    .filter((name) => !holding.peers.includes(name) && facts.peer(name).connected && facts.would(name) === undefined)
    .sort()
    .slice(0, mostAsked);
}

/** What peers said about an app that its holder refuses grows old. */
function askAgainMs({ app, would }: Facts, { chosen, found }: Target): number | undefined {
  const isWaiting = found && app.spec.placement?.move !== "Never" && chosen.some((peer) => would(peer) === "refuse");
  return isWaiting ? 60_000 : undefined;
}

function leftBehind(peer: string): Happening {
  const note = `${peer} is no peer any more, so what it may still run of this app was left to it.`;
  return { type: "Warning", reason: "PeerGone", note };
}

function leftRunning(peer: string): Happening {
  return { type: "Normal", reason: "Kept", note: `${peer} goes on with what it runs of this app, as an orphan.` };
}

function endedBy(peer: string): Happening {
  const note = `${peer} could not be asked to end the app. It has ended it by itself, as it has not heard for so long that it may go on.`;
  return { type: "Warning", reason: "LeaseEnded", note };
}
