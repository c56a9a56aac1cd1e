/** Says why links do not stand, or not well: what this agent sees of itself, of the way to a peer, and of the links there were. */
import { createClient, type Transport } from "@connectrpc/connect";
import type { Clock } from "../base/clock.ts";
import type { Finding } from "../gen/fairlead/console/v1/doctor_service_pb.ts";
import { MembershipService } from "../gen/fairlead/peer/v1/membership_pb.ts";
import type { ProbeTarget } from "../link/probe/probe.ts";
import { PeeringError } from "../peering/error.ts";
import { decodeInvite } from "../peering/invite.ts";
import type { Peer } from "../peering/peer.ts";
import { noSuchPeer } from "../peering/roster.ts";
import type { LinkLook } from "../peering/switchboard.ts";
import { soften, toFinding, type Verdict } from "./finding.ts";
import { judgeBuffers, type KernelBuffers } from "./judge-buffers.ts";
import { judgeClock } from "./judge-clock.ts";
import { judgeCutOffs } from "./judge-cut-offs.ts";
import { type ImageWay, judgeImages } from "./judge-images.ts";
import { judgeLink } from "./judge-link.ts";
import { judgeOwnUrl } from "./judge-own-url.ts";
import { judgeRelay } from "./judge-relay.ts";
import { judgeVersion } from "./judge-version.ts";
import { lookAtUrl } from "./look-at-url.ts";
import { type TestedStep, testConnection } from "./test-connection.ts";

export interface Doctor {
  /**
   * Looks into this agent and, when a peer is named, into the way to it; without one, at what is remembered of each peer. Throws
   * `not-found`, and rejects with the signal's reason; whatever else goes wrong is a finding.
   */
  examine(peer: string | undefined, signal: AbortSignal): AsyncGenerator<Finding, void, undefined>;
  /**
   * Goes the way to a peer, or to each address in an invite until one is reached. Throws `not-found`, `bad-invite`, `precondition` for a
   * peer that has no URL here, and rejects with the signal's reason.
   */
  testConnection(
    to: { readonly peer: string } | { readonly invite: string },
    signal: AbortSignal,
  ): AsyncGenerator<TestedStep, void, undefined>;
}

export interface DoctorDeps {
  readonly clock: Clock;
  readonly version: string;
  /** This agent's own. */
  readonly fingerprint: string;
  /** Where peers dial this agent; undefined when they cannot. */
  readonly url: string | undefined;
  /** How this agent dials where a peer has no settings of its own. */
  readonly outer: ProbeTarget["outer"];
  readonly proxy: ProbeTarget["proxy"];
  readonly peers: { list(): readonly Peer[]; get(name: string): Peer | undefined };
  look(peer: string): LinkLook | undefined;
  transport(peer: string): Transport;
  buffers(): Promise<KernelBuffers | undefined>;
  /** How nodes pull what peers bring along; undefined when they cannot. Left out where there are no nodes. */
  images?(): ImageWay | undefined;
}

interface Way {
  readonly subject: string;
  readonly targets: readonly ProbeTarget[];
}

/** For the peer to say what time it has. Milliseconds. */
const askMs = 5_000;

export function createDoctor(deps: DoctorDeps): Doctor {
  const { clock, peers } = deps;

  /** The agent itself, whoever its peers are. */
  async function* examineSelf(signal: AbortSignal): AsyncGenerator<Finding, void, undefined> {
    if (deps.url === undefined) {
      const summary = "it has no URL of its own (link.url): it dials, and no peer can dial it";
      yield toFinding("agent", { level: "ok", check: "own-url", summary });
      return;
    }
    const target = { url: deps.url, pin: deps.fingerprint, outer: deps.outer, proxy: deps.proxy };
    const found: Finding[] = [];
    for await (const finding of lookAtUrl({ clock }, "agent", target, signal)) found.push(finding);
    const verdict = judgeOwnUrl(deps.url, found);
    // What fails from here alone is no problem yet.
    if (verdict.level !== "problem") for (const finding of found) soften(finding);
    yield* found;
    yield toFinding("agent", verdict);
  }

  /** What is known of a peer without asking anybody. */
  function* recall(peer: Peer, look: LinkLook): Generator<Verdict, void, undefined> {
    const { status, past } = look;
    const relays = peer.relays ?? [];
    yield judgeLink(status, { hasUrl: peer.url !== undefined, hasRelay: relays.length > 0 }, clock.now());
    for (const name of relays) {
      yield judgeRelay(peer.name, { name, status: peers.get(name) && deps.look(name)?.status });
    }
    yield judgeCutOffs(past);
    if (status.version) yield judgeVersion(deps.version, status.version, "the peer");
  }

  async function* examinePeer(
    peer: Peer,
    look: LinkLook,
    signal: AbortSignal,
  ): AsyncGenerator<Finding, void, undefined> {
    const { name } = peer;
    for (const verdict of recall(peer, look)) yield toFinding(name, verdict);
    if (look.status.state === "connected") {
      const clocks = await compareClocks(name, signal);
      if (clocks) yield toFinding(name, clocks);
    }
    if (peer.url === undefined) {
      const summary = peer.relays?.length
        ? `it has no URL here: it is reached through ${peer.relays.join(", then ")}`
        : "it has no URL here: it dials this agent, which cannot look at the way from its side";
      yield toFinding(name, { level: "ok", check: "reach", summary });
    } else {
      const outer = peer.outerTls ?? deps.outer;
      const target = { url: peer.url, pin: peer.fingerprint, outer, proxy: deps.proxy };
      yield* lookAtUrl({ clock }, name, target, signal);
    }
    yield toFinding(name, judgeBuffers(await deps.buffers(), look.status.roundTripMs));
  }

  function wayTo(name: string): Way {
    const peer = peers.get(name);
    if (!peer) throw noSuchPeer(name);
    if (peer.url === undefined) {
      throw new PeeringError(
        "precondition",
        `${name} has no URL here, so it is not dialled: it dials, or comes by a relay`,
      );
    }
    const { url, fingerprint: pin, outerTls: outer = deps.outer } = peer;
    return { subject: name, targets: [{ url, pin, outer, proxy: deps.proxy }] };
  }

  function wayByInvite(line: string): Way {
    const { urls, fingerprint: pin, name } = decodeInvite(line);
    if (urls.length === 0)
      throw new PeeringError("precondition", "the invite names relays only, which are not dialled from here");
    const targets = urls.map((url) => ({ url, pin, outer: deps.outer, proxy: deps.proxy }));
    return { subject: name, targets };
  }

  /** Undefined when the peer does not say what time it has. */
  async function compareClocks(name: string, signal: AbortSignal): Promise<Verdict | undefined> {
    const client = createClient(MembershipService, deps.transport(name));
    const startedAt = clock.now();
    try {
      const { time } = await client.getFacts({}, { signal, timeoutMs: askMs });
      const [endedAt, theirs] = [clock.now(), Date.parse(time)];
      if (Number.isNaN(theirs)) return undefined;
      const uncertainMs = Math.max(1, Math.abs(endedAt - startedAt) / 2);
      return judgeClock({ whose: "the peer's", aheadMs: theirs - (startedAt + endedAt) / 2, uncertainMs });
    } catch (error) {
      signal.throwIfAborted();
      const summary = "the link stands, and the peer does not answer on it";
      const evidence = [error instanceof Error ? error.message : String(error)];
      return {
        level: "problem",
        check: "link",
        summary,
        evidence,
        remedy: "Is the agent there overloaded? See its log.",
      };
    }
  }

  return {
    async *testConnection(to, signal) {
      const { subject, targets } = "peer" in to ? wayTo(to.peer) : wayByInvite(to.invite);
      yield* testConnection({ clock }, subject, targets, signal);
    },

    async *examine(name, signal) {
      const peer = name === undefined ? undefined : peers.get(name);
      const look = name === undefined ? undefined : deps.look(name);
      if (name !== undefined && (!peer || !look)) throw noSuchPeer(name);
      if (peer && look) {
        yield* examinePeer(peer, look, signal);
        return;
      }
      yield* examineSelf(signal);
      yield toFinding("agent", judgeBuffers(await deps.buffers(), undefined));
      if (deps.images) yield toFinding("agent", judgeImages(deps.images(), clock.now()));
      for (const one of peers.list()) {
        const seen = deps.look(one.name);
        if (seen) for (const verdict of recall(one, seen)) yield toFinding(one.name, verdict);
      }
    },
  };
}
