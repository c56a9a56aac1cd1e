/**
 * What a peer may reach here, for the peer to know of. Each kind says what there is; the rules are asked about each thing by itself, as
 * they are when it is dialled, and what they refuse is not told of.
 */
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import { isDatagrams, type NamedTarget, targetText } from "../wire/target-text.ts";
import type { ExitCaller } from "./exit-caller.ts";
import type { Permission } from "./hosted-app.ts";

type TunnelPolicy = EffectivePolicy["tunnels"];

/** One thing that there is. */
export interface Offer {
  /** With its port by number, where it has ports. */
  readonly target: NamedTarget;
  /** Of the port; empty when it has none. */
  readonly portName?: string | undefined;
  /** What is spoken there. */
  readonly appProtocol?: string | undefined;
  /** Why nobody would answer now. */
  readonly notReady?: string | undefined;
}

export interface Offering {
  readonly offers: readonly Offer[];
  /** What could not be looked at, in sentences that the peer may read. */
  readonly problems: readonly string[];
}

/** What there is of one kind. `rules` are those of the caller, who has the grant that the kind needs. Rejects only when the signal aborts. */
export interface OfferSource {
  readonly kind: NamedTarget["kind"];
  list(caller: ExitCaller, rules: TunnelPolicy, signal: AbortSignal): Offering | Promise<Offering>;
}

/** An offer that the rules allow, or would once a person has approved it. */
export interface PermittedOffer extends Omit<Offer, "target"> {
  /** The target as text. */
  readonly text: string;
  readonly protocol: "TCP" | "UDP";
  readonly needsApproval: boolean;
  /** When the right to it ends, in milliseconds since 1970; undefined: until it is withdrawn. */
  readonly until?: number | undefined;
}

export interface OffersDeps {
  readonly sources: readonly OfferSource[];
  /** The rules of a caller for a kind; undefined where nothing of the kind is the caller's to ask for. */
  rulesFor(caller: ExitCaller, kind: NamedTarget["kind"]): TunnelPolicy | undefined;
  permit(caller: ExitCaller, target: NamedTarget): Permission;
}

export interface PermittedOffers {
  /** By their texts. */
  readonly offers: readonly PermittedOffer[];
  readonly problems: readonly string[];
}

/** Of one peer. */
const mostOffers = 10_000;
const mostProblems = 64;

export async function listOffers(deps: OffersDeps, caller: ExitCaller, signal: AbortSignal): Promise<PermittedOffers> {
  if (caller.guest) return { offers: [], problems: [] };
  const offered = await Promise.all(
    deps.sources.map((source) => {
      const rules = deps.rulesFor(caller, source.kind);
      return rules ? source.list(caller, rules, signal) : nothing;
    }),
  );
  const permitted = new Map<string, PermittedOffer>();
  for (const { target, ...rest } of offered.flatMap(({ offers }) => offers)) {
    const permission = deps.permit(caller, target);
    if (!permission.allowed && !permission.held) continue;
    const text = targetText(target);
    const until = permission.allowed ? permission.until : undefined;
    const protocol = isDatagrams(target) ? "UDP" : "TCP";
    permitted.set(text, { ...rest, text, protocol, needsApproval: !permission.allowed, until });
  }
  const offers = [...permitted.values()].toSorted((a, b) => compare(a.text, b.text));
  const problems = [...new Set(offered.flatMap((each) => each.problems))];
  if (offers.length > mostOffers)
    problems.unshift(`There are ${offers.length} targets, of which ${mostOffers} are told.`);
  return { offers: offers.slice(0, mostOffers), problems: problems.slice(0, mostProblems) };
}

const nothing: Offering = { offers: [], problems: [] };

/** By code units, the same everywhere. */
export function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
