/** The ways to another agent, and the dial along them: to its URL, or through a peer that carries. */
import type { Duplex } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { errorText } from "../base/error-text.ts";
import { RelayTargetSchema, type Target, TargetSchema } from "../gen/fairlead/wire/v1/target_pb.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { type DialDeps, dialAlong, dialLink } from "../link/dialer.ts";
import { LinkError } from "../link/error.ts";
import type { Link } from "../link/link.ts";
import type { OuterTls } from "../link/outer.ts";
import type { ProxySettings } from "../link/proxy.ts";
import type { Peer, PeerOuterTls } from "./peer.ts";

/**
 * The most that a way may take while there is another; milliseconds. A network that swallows everything must not keep what waits for
 * a carrier from the relay for long.
 */
const impatientMs = 8_000;

/** One way to an agent. */
export type PeerWay = { readonly url: string } | { readonly relay: string };

/** Whom to dial, by which of the ways, in their order. */
export interface PeerDestination {
  readonly pin: Fingerprint;
  readonly ways: readonly PeerWay[];
  readonly outerTls?: PeerOuterTls | undefined;
  /** There are others that will be tried when these fail; false unless given. */
  readonly hasMore?: boolean;
  /** Asked before each way; all of them unless given. */
  isWanted?(way: PeerWay): boolean;
}

export interface PeerDialerDeps extends Omit<DialDeps, "opened"> {
  /** How outer TLS is checked where a peer has no settings of its own. */
  readonly outerTls?: OuterTls | undefined;
  readonly proxy?: ProxySettings | undefined;
  /** A stream to a target at a peer, by our name for it. */
  dialPeer(peer: string, target: Target, o: { signal: AbortSignal }): Promise<Duplex>;
  /** The peer of that name that is to carry, and who carries our link to it, if anybody does. */
  relay(name: string): { readonly fingerprint: Fingerprint; readonly through: string | undefined } | undefined;
}

/**
 * Resolves with the first link that stands, or with nothing when no way is wanted any more; rejects with `LinkError` when none
 * leads there. `opened` is as in `DialDeps`.
 */
export type DialPeer = (
  to: PeerDestination,
  opened: (link: Link) => void,
  signal: AbortSignal,
) => Promise<Link | undefined>;

/** By URLs first, then through relays. */
export function waysTo({ urls, relays }: { urls: readonly string[]; relays: readonly string[] }): PeerWay[] {
  return [...urls.map((url) => ({ url })), ...relays.map((relay) => ({ relay }))];
}

/** As they are known of a peer. */
export function waysToPeer({ url, relays = [] }: Pick<Peer, "url" | "relays">): PeerWay[] {
  return waysTo({ urls: url === undefined ? [] : [url], relays });
}

/**
 * Those that are worth a dial beside a link that goes this way now; `undefined` when there is none. Nothing is relayed beside a direct
 * link, and a relayed one is left for a direct one only, if that is known.
 */
export function waysBeside(peer: Pick<Peer, "url" | "relays">, now: "direct" | "relayed" | undefined): PeerWay[] {
  const all = waysToPeer(peer);
  const direct = all.filter((way) => "url" in way);
  if (now === undefined) return all;
  return now === "direct" || direct.length > 0 ? direct : all;
}

/** What people call it. */
export function wayText(way: PeerWay): string {
  return "url" in way ? way.url : `through ${way.relay}`;
}

/** Why a peer that is reached through another cannot carry. */
export function behindAnother(name: string, through: string): string {
  return `${name} is reached through ${through} itself, and no relay stands behind another.`;
}

export function createPeerDialer(deps: PeerDialerDeps): DialPeer {
  function along(way: PeerWay, to: PeerDestination, dialDeps: DialDeps, signal: AbortSignal): Promise<Link> {
    const { pin } = to;
    if ("relay" in way) return through(way.relay, pin, dialDeps, signal);
    const outer = to.outerTls ?? deps.outerTls;
    const { proxy } = deps;
    return dialLink(dialDeps, { url: way.url, pin, ...(outer && { outer }), ...(proxy && { proxy }) }, signal);
  }

  async function through(name: string, pin: Fingerprint, dialDeps: DialDeps, signal: AbortSignal): Promise<Link> {
    const relay = deps.relay(name);
    if (!relay) throw new LinkError("relay", `There is no peer "${name}" here that could carry.`);
    if (relay.through !== undefined) throw new LinkError("relay", behindAnother(name, relay.through));
    const value = create(RelayTargetSchema, { fingerprint: Buffer.from(pin, "hex") });
    const target = create(TargetSchema, { kind: { case: "relay", value } });
    const open = async (openSignal: AbortSignal): Promise<{ stream: Duplex }> => {
      try {
        return { stream: await deps.dialPeer(name, target, { signal: openSignal }) };
      } catch (cause) {
        openSignal.throwIfAborted();
        throw new LinkError("relay", `Through ${name}: ${errorText(cause)}`, cause);
      }
    };
    return dialAlong(dialDeps, { pin, name: `the agent behind ${name}`, through: relay.fingerprint, open }, signal);
  }

  return async (to, opened, signal) => {
    const failures: unknown[] = [];
    for (const [index, way] of to.ways.entries()) {
      if (to.isWanted?.(way) === false) return undefined;
      try {
        const isLast = index === to.ways.length - 1 && !to.hasMore;
        return await along(way, to, { ...deps, opened, ...(!isLast && { timeoutMs: impatientMs }) }, signal);
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error);
      }
    }
    throw together(failures);
  };
}

/** The only failure, or one that tells of all. That somebody else answered is the gravest, and gives its code. */
function together(failures: readonly unknown[]): unknown {
  const [first] = failures;
  if (failures.length === 1) return first;
  if (failures.length === 0) return new LinkError("bad-url", "It has no URL and no relay here.");
  const known = failures.filter((failure) => failure instanceof LinkError);
  const worst = known.find(({ code }) => code === "untrusted") ?? known[0];
  return new LinkError(worst?.code ?? "unreachable", failures.map(errorText).join(" "), first);
}
