/**
 * Which peers are to run an app, told from what is known of them. Pure, and the same for the same input: who holds the app stays
 * where nothing speaks against it, and among equals a hash of app and peer decides, so that apps spread over peers without anybody
 * counting them.
 */
import { createHash } from "node:crypto";
import type { AppPlacement } from "../../gen/fairlead/resources/v1alpha1/placement_pb.ts";
import { matchesSelector } from "../../kube/label-selector.ts";
import { isJsonObject, type JsonObject } from "../../kube/object.ts";
import { factMatches } from "./fact-match.ts";

/** A peer of the roster, as far as placement cares. */
export interface Candidate {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What it said of itself; undefined when it has never said anything. */
  readonly facts: Readonly<Record<string, string>> | undefined;
  readonly connected: boolean;
  /** It has been away for longer than the app allows. */
  readonly isAway: boolean;
  /** What it would do with the present spec, as it said; undefined when it was not asked. */
  readonly would?: Would | undefined;
}

/** Run it, have it wait for a person, or refuse it. */
export type Would = "run" | "hold" | "refuse";

export interface PlaceRequest {
  /** Of the app. */
  readonly uid: string;
  readonly placement: AppPlacement;
  /** The peers that may run it now. */
  readonly holders: readonly string[];
  /** Peers that have not said yet that they have ended it: they get it again only afterwards. */
  readonly barred: readonly string[];
  readonly candidates: readonly Candidate[];
}

export interface Placing {
  /** The peers that are to run it, by name. Holders that are not among them are to end it. */
  readonly chosen: readonly string[];
  /** At how many it is to run; holders that are to end it count until they have. */
  readonly limit: number;
  /** How many peers are missing, and why there are none. */
  readonly missing: number;
  /** Peers that were chosen from: by selector and facts, and of these connected. */
  readonly matching: number;
  readonly connected: number;
}

export function place(request: PlaceRequest): Placing {
  const { placement, holders } = request;
  const move = placement.move ?? "Gone";
  const known = new Map(request.candidates.map((candidate) => [candidate.name, candidate]));
  const isHolder = new Set(holders);
  const matching = request.candidates.filter((candidate) =>
    matches(placement, candidate, isHolder.has(candidate.name)),
  );
  const isMatching = new Set(matching.map(({ name }) => name));
  const count = placement.count ?? 1;
  const stay = holders.filter((name) => move === "Never" || isMatching.has(name));
  const limit = count === 0 ? new Set([...isMatching, ...stay]).size : count;
  const pick = picker(request, known);

  // Where too many hold it, those go that serve least.
  const kept = stay.length > limit ? pick.fewest(stay, limit) : stay;
  const barred = new Set(request.barred);
  const free = matching.filter(({ name, connected }) => connected && !isHolder.has(name) && !barred.has(name));
  const added = pick.more(kept, free, limit - kept.length);
  const chosen = [...kept, ...added];
  if (move !== "Never") {
    for (const name of kept) {
      const holder = known.get(name);
      const refuses = holder?.would === "refuse";
      if (!refuses && !(move === "Unreachable" && holder?.isAway)) continue;
      const others = chosen.filter((other) => other !== name);
      const rest = free.filter((one) => !chosen.includes(one.name) && one.would !== "refuse");
      // What it runs of an earlier spec is given up only for a peer that has said that it takes the present one.
      const [successor] = pick.more(others, refuses ? rest.filter(({ would }) => would !== undefined) : rest, 1);
      if (successor !== undefined) chosen.splice(chosen.indexOf(name), 1, successor);
    }
  }
  return {
    chosen: chosen.sort(),
    limit,
    missing: Math.max(0, (count === 0 ? Math.max(limit, 1) : limit) - chosen.length),
    matching: matching.length,
    connected: matching.filter(({ connected }) => connected).length,
  };
}

/** A holder that has not said yet what it is stays: what is unknown speaks against nobody. */
function matches({ selector, facts }: AppPlacement, candidate: Candidate, isHolder: boolean): boolean {
  if (selector !== undefined && !matchesSelector(asObject(selector), candidate.labels)) return false;
  if (candidate.facts === undefined) return isHolder || Object.keys(facts).length === 0;
  return Object.entries(facts).every(([name, value]) => factMatches(candidate.facts?.[name] ?? "", value));
}

function asObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function picker(
  { uid, placement }: PlaceRequest,
  known: ReadonlyMap<string, Candidate>,
): {
  more(taken: readonly string[], free: readonly Candidate[], count: number): string[];
  fewest(holders: readonly string[], count: number): string[];
} {
  const { spread } = placement;
  const spreadValue = (name: string): string | undefined => {
    if (!spread) return undefined;
    const { labels, facts } = known.get(name) ?? {};
    return labels?.[spread] ?? facts?.[spread] ?? "";
  };
  const crowd = (name: string, taken: readonly string[]): number =>
    spread ? taken.filter((other) => spreadValue(other) === spreadValue(name)).length : 0;
  const weights = new Map<string, string>();
  const weight = (name: string): string => {
    const found =
      weights.get(name) ??
      createHash("sha256")
        .update(JSON.stringify([uid, name]))
        .digest("hex");
    weights.set(name, found);
    return found;
  };
  /** The first wins: those that refuse come last, then those whose value has the most already, then those where it waits for a person. */
  const best = (names: readonly string[], taken: readonly string[]): string | undefined => {
    const rank = (name: string): (number | string)[] => {
      const { would, isAway = true, connected = false } = known.get(name) ?? {};
      return [+(would === "refuse"), +isAway, +!connected, crowd(name, taken), +(would === "hold"), weight(name)];
    };
    return [...names].map((name) => ({ name, rank: rank(name) })).sort((a, b) => compare(a.rank, b.rank))[0]?.name;
  };
  const choose = (from: readonly string[], taken: readonly string[], count: number): string[] => {
    const chosen: string[] = [];
    while (chosen.length < count) {
      const next = best(
        from.filter((name) => !chosen.includes(name)),
        [...taken, ...chosen],
      );
      if (next === undefined) break;
      chosen.push(next);
    }
    return chosen;
  };
  return {
    more: (taken, free, count) =>
      choose(
        free.map(({ name }) => name),
        taken,
        count,
      ),
    fewest: (holders, count) => choose(holders, [], count),
  };
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index] ?? "";
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
