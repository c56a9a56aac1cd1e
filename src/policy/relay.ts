/** Whether this agent carries between two of its peers. Pure. */
import type { EffectivePolicy } from "./effective-policy.ts";
import { notUnderstood } from "./grants.ts";

/** One of the two, as this agent knows it. */
export interface RelayEnd {
  /** Our name for it. */
  readonly peer: string;
  readonly policy: EffectivePolicy;
  /** Carriers through this agent that have it at one of their ends, without the one that is asked about. */
  readonly carriers: number;
  /** The peer that carries our own link to it, if one does. */
  readonly through?: string | undefined;
}

export type RelayPermission =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      /** The rule that spoke. */
      readonly rule: string;
      /** For the operator here: with the names of both. */
      readonly message: string;
      /** For whoever asked, where they may not know as much. */
      readonly told?: { readonly rule: string; readonly message: string };
    };

/**
 * Asked anew for each carrier and after each change. `wanted` is undefined when the agent that is meant is no peer here. Who asks
 * is not told whether a peer that it may not be joined to is one here.
 */
export function permitRelay(asking: RelayEnd, wanted: RelayEnd | undefined): RelayPermission {
  const own = mayBeCarried(asking);
  if (own) return { allowed: false, ...own };
  if (asking.peer === wanted?.peer) {
    return { allowed: false, rule: "relay/self", message: "nobody is joined to itself" };
  }
  if (!wanted) return { allowed: false, ...unknown };
  const forbidden = mayBeCarried(wanted);
  if (forbidden) return { allowed: false, ...forbidden, told: unknown };
  for (const { peer, through } of [asking, wanted]) {
    if (through === undefined) continue;
    const message = `this agent itself reaches peer ${peer} through ${through}, and no relay stands behind another`;
    const told = {
      rule: "relay/chain",
      message: "a relay would stand behind another one here: ask that one, or dial directly",
    };
    return { allowed: false, rule: "relay/chain", message, told };
  }
  const full = tooMany(asking);
  if (full) return { allowed: false, ...full };
  const fullThere = tooMany(wanted);
  return fullThere ? { allowed: false, ...fullThere, told: { ...fullThere, message: othersFull } } : { allowed: true };
}

interface Word {
  readonly rule: string;
  readonly message: string;
}

const unknown: Word = {
  rule: "relay/target",
  message:
    "this agent has no peer with that fingerprint for which it carries; its operator can pair with that one and let it be carried in a PeerPolicy: relay.allow: true",
};

const othersFull =
  "the other one has as many carriers through this agent as it may have; the operator here can raise relay.maxCarriers of a PeerPolicy";

function mayBeCarried({ peer, policy }: RelayEnd): Word | undefined {
  const [problem] = policy.problems;
  if (problem !== undefined) return { rule: "policy/accept", message: notUnderstood(peer, problem) };
  if (policy.relay.allow) return undefined;
  const message = `no policy here lets this agent carry for peer ${peer}; the operator of this cluster can allow it in a PeerPolicy: relay.allow: true`;
  return { rule: "relay/allow", message };
}

function tooMany({ peer, policy, carriers }: RelayEnd): Word | undefined {
  const { maxCarriers } = policy.relay;
  if (carriers < maxCarriers) return undefined;
  const message = `peer ${peer} has ${carriers} carriers through this agent, as many as it may have; the operator here can raise relay.maxCarriers of a PeerPolicy`;
  return { rule: "relay/carriers", message };
}
