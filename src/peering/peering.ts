/** Peering as a whole: who our peers are, the links to them, and how they come and go. */
import type { Duplex } from "node:stream";
import { type ConnectRouter, createClient } from "@connectrpc/connect";
import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { MembershipService } from "../gen/fairlead/peer/v1/membership_pb.ts";
import { PairingService } from "../gen/fairlead/peer/v1/pairing_pb.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { Identity } from "../identity/identity.ts";
import type { Kept, Link } from "../link/link.ts";
import type { OuterTls } from "../link/outer.ts";
import type { ProxySettings } from "../link/proxy.ts";
import type { Caller } from "../rpc/caller.ts";
import { createLinkTransport } from "../rpc/transport.ts";
import type { LocalHello } from "../wire/hello.ts";

import type { Limits } from "../wire/limits.ts";
import type { AgentBudget, IncomingDial, IncomingRpc, IncomingStream } from "../wire/session.ts";
import type { PeeringAudit } from "./audit-entry.ts";
import { createCarrierDoor } from "./carrier-door.ts";
import { createPeerDialer } from "./dial-peer.ts";
import { createDirectory, type Directory, type PeerFacts } from "./directory.ts";
import { createGate } from "./gate.ts";
import { lostGrants, tellLoss } from "./grants.ts";
import type { InviteStore } from "./invite-record.ts";
import { createInvites, type Invites } from "./invites.ts";
import { type JoinOptions, type JoinProgress, joinByInvite } from "./joiner.ts";
import { createMembershipService } from "./membership-service.ts";
import { createPairingService } from "./pairing-service.ts";
import type { Peer, PeerStore } from "./peer.ts";
import { checkRelay } from "./relays.ts";
import { type RemovalOptions, removePeer } from "./removal.ts";
import { createRoster, type Roster } from "./roster.ts";
import { createStandingWatch } from "./standing-watch.ts";
import { createStatusMirror, type StatusMirror } from "./status-mirror.ts";
import { createStreamRecord } from "./stream-record.ts";
import { createSwitchboard, type Switchboard } from "./switchboard.ts";

export interface PeeringDeps {
  readonly identity: Identity;
  readonly hello: LocalHello;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: PeeringAudit;
  readonly peers: PeerStore;
  readonly invites: InviteStore;
  /** What this agent calls itself; a suggestion to others. */
  readonly name: string;
  /** Where peers dial this agent; undefined when they cannot. */
  readonly url?: string | undefined;
  /** How outer TLS is checked where a peer has no settings of its own. */
  readonly outerTls?: OuterTls | undefined;
  readonly proxy?: ProxySettings | undefined;
  /** What all links of this agent may promise together, those that others dialled among them; without bound unless given. */
  readonly budget?: AgentBudget | undefined;
  /** What each peer that this agent dials is held to, where it differs from `defaultLimits`. Those that dial are the acceptor's. */
  readonly linkLimits?: Partial<Limits> | undefined;

  /** What this agent says of itself to its peers. */
  facts(): PeerFacts;
  /** Answers a call that may be made; resolves when its handler has ended, and never rejects. */
  serveRpc(incoming: IncomingRpc, caller: Caller): Promise<void>;
  /** Answers a dial by a peer. Must not throw. */
  serveDial(incoming: IncomingDial, caller: Caller): void;
  /** Takes a carrier that a peer has brought, as if it had come to the peer port; see `Acceptor.take`. */
  takeCarrier(carrier: Duplex, through: Fingerprint): void;
  /** From 0 up to 1, for jitter; `Math.random` unless given. */
  readonly random?: () => number;
}

export interface Peering {
  readonly roster: Roster;
  readonly switchboard: Switchboard;
  readonly invites: Invites;
  readonly directory: Directory;
  /** What peers say of themselves, or said when they were last heard, their versions among it; and news of it. */
  readonly facts: {
    get(peer: string): Readonly<Record<string, string>> | undefined;
    subscribe(fn: (peer: string) => void): () => void;
  };
  /** Joins by an invite; see `joinByInvite`. */
  join(line: string, options: JoinOptions, signal: AbortSignal): AsyncGenerator<JoinProgress>;
  /** Ends a pairing on both sides; see `removePeer`. */
  remove(name: string, options: RemovalOptions, signal: AbortSignal): Promise<{ told: boolean }>;
  /** The peer as a caller would be known now; undefined for who is no peer. For judging anew what runs. */
  callerOf(fingerprint: Fingerprint): Pick<Caller, "fingerprint" | "guest" | "peer" | "grants" | "caPem"> | undefined;
  /** The services that other agents call: pairing and membership. */
  routes(router: ConnectRouter): void;
  /** For the acceptor: what a carrier to this agent goes on with. */
  kept(fingerprint: Fingerprint): Kept;
  /** For the acceptor: a link that stands. */
  onLink(link: Link): void;
  /** For the acceptor: a stream that the other end opened. */
  accept(link: Link, stream: IncomingStream): void;
  /** Tells all peers that this agent leaves, lets what runs end, at most so long, in milliseconds, and ends the links. */
  drain(withinMs: number): Promise<void>;
  /** Ends everything at once. The stores are the caller's to close. */
  close(): Promise<void>;
}

/** An agent that does not answer within this, in milliseconds, while another comes with its identity, is gone. */
const probeTimeoutMs = 5_000;

/** A request to join has a token, a URL and a name; strangers may not make us hold more. Bytes. */
const largestJoinBytes = 16 * 1024;

/** Dials peers at once, as soon as the store knows them. */
export function createPeering(deps: PeeringDeps): Peering {
  const { identity, clock, log, audit } = deps;
  const { fingerprint } = identity;
  const closing = new AbortController();
  const roster = createRoster({ store: deps.peers, clock, log });
  // Dials, calls and news begin after the last of these stands, so that each may name the others.
  const gate = createGate({
    roster,
    clock,
    log,
    audit,
    standing: (link) => switchboard.standing(link),
    serveRpc: (incoming, caller) => deps.serveRpc(incoming, caller),
    serveDial(incoming, caller) {
      if (incoming.target.kind.case === "carrier") carriers.open(incoming, caller);
      else deps.serveDial(incoming, caller);
    },
  });
  const dial = createPeerDialer({
    identity,
    hello: deps.hello,
    clock,
    outerTls: deps.outerTls,
    proxy: deps.proxy,
    budget: deps.budget,
    ...(deps.linkLimits && { limits: deps.linkLimits }),
    kept: (fingerprint) => switchboard.kept(fingerprint),
    accept: (link, stream) => gate.accept(link, stream),
    onDefect: (error, fingerprint) => deps.log.error({ err: error, fingerprint }, "a defect has ended a link"),
    dialPeer: (peer, target, options) => switchboard.dial(peer, target, options),
    relay(name) {
      const peer = roster.get(name);
      return peer && { fingerprint: peer.fingerprint, through: switchboard.through(name) };
    },
  });
  const switchboard: Switchboard = createSwitchboard({
    roster,
    clock,
    log,
    random: deps.random,
    dial: ({ fingerprint, outerTls }, by, opened, signal) =>
      dial({ ...by, pin: fingerprint, outerTls }, opened, signal),
    createTransport: (link) => createLinkTransport(link.session),
    async probe({ transport }) {
      const deadline = startDeadline(clock, probeTimeoutMs, () => new Error("It did not answer."), closing.signal);
      try {
        await createClient(MembershipService, transport).getFacts({}, { signal: deadline.signal });
        return true;
      } catch {
        return false;
      } finally {
        deadline.cancel();
      }
    },
    duplicate(peer, message) {
      const actor = { peer: peer.name, fingerprint: peer.fingerprint };
      log.error({ ...actor, reason: message }, "two living agents have one identity");
      audit.record({ action: "link.open", actor, verdict: "denied", rule: "duplicate-instance", message });
    },
  });
  const record = createStreamRecord({ audit, clock });
  const carriers = createCarrierDoor({
    take: deps.takeCarrier,
    through: (peer) => switchboard.through(peer),
    record,
    log,
  });
  const directory = createDirectory({
    clock,
    log,
    transport: (peer) => switchboard.transport(peer),
    subscribe: (listener) => switchboard.subscribe(listener),
    changed: (peer) => mirror.update(peer),
    disowned: (peer) => switchboard.disowned(peer),
  });
  const standing = createStandingWatch({
    clock,
    log,
    transport: (peer) => switchboard.transport(peer),
    subscribe: (listener) => switchboard.subscribe(listener),
    changed: (peer) => mirror.update(peer),
  });
  const mirror: StatusMirror = createStatusMirror({
    roster,
    clock,
    status: (peer) => switchboard.status(peer),
    facts: (peer) => directory.get(peer),
    held: (peer) => standing.held(peer),
    subscribe: (listener) => switchboard.subscribe(listener),
    write: (peer, status) => deps.peers.writeStatus(peer, status),
  });
  const listening = roster.subscribe(({ name, before, after }) => {
    if (before) carriers.review(before.fingerprint, after?.fingerprint === before.fingerprint ? after : undefined);
    if (!after) {
      directory.forget(name);
      standing.forget(name);
    } else if (before) noteEnds(before, after);
  });
  const invites = createInvites({
    store: deps.invites,
    clock,
    log,
    audit,
    fingerprint,
    name: deps.name,
    url: deps.url,
    nameState: (name) => roster.nameState(name),
    relay: (name) => checkRelay({ roster, switchboard }, name),
  });

  /** Who withdraws a grant is written down where they do it; nobody does it for one that comes to its end. */
  function noteEnds(before: Peer, after: Peer): void {
    const { name, fingerprint } = after;
    for (const lost of lostGrants(before, after, clock.now())) {
      if (lost.endedAt === undefined) continue;
      const message = tellLoss(name, lost);
      log.info({ peer: name, grant: lost.grant }, "a grant has come to its end");
      const actor = { peer: name, fingerprint };
      audit.record({ action: "grant.expire", actor, target: lost.grant, verdict: "done", message });
    }
  }

  const remember = (peer: string, words: string): void => mirror.remember(peer, words);

  return {
    roster,
    switchboard,
    invites,
    directory,
    facts: {
      get(name) {
        const said = directory.get(name);
        return said ? { ...said.facts, version: said.version } : roster.facts(name);
      },
      subscribe: (fn) => directory.subscribe(fn),
    },
    join: (line, options, signal) =>
      joinByInvite(
        {
          fingerprint,
          name: deps.name,
          url: deps.url,
          roster,
          clock,
          log,
          audit,
          dial: (to, dialSignal) => dial(to, (link) => switchboard.offer(link), dialSignal),
          createTransport: (link) => createLinkTransport(link.session),
          expect: (expected) => switchboard.expect(expected),
          joining: (session) => switchboard.joining(session),
          remember,
        },
        line,
        options,
        AbortSignal.any([signal, closing.signal]),
      ),
    remove: (name, options, signal) =>
      removePeer(
        {
          roster,
          log,
          audit,
          status: (peer) => switchboard.status(peer),
          transport: (peer) => switchboard.transport(peer),
        },
        name,
        options,
        signal,
      ),
    callerOf(other) {
      const peer = roster.byFingerprint(other);
      return peer && { fingerprint: other, guest: false, peer: peer.name, grants: peer.grants, caPem: peer.caPem };
    },
    routes(router) {
      router.service(
        PairingService,
        createPairingService({
          fingerprint,
          name: deps.name,
          roster,
          invites,
          clock,
          log,
          audit,
          remember,
          joining: (session) => switchboard.joining(session),
        }),
        { readMaxBytes: largestJoinBytes },
      );
      router.service(
        MembershipService,
        createMembershipService({ roster, clock, log, audit, facts: deps.facts, closing: closing.signal }),
      );
    },
    kept: (fingerprint) => switchboard.kept(fingerprint),
    onLink: (link) => switchboard.offer(link),
    accept: (link, stream) => gate.accept(link, stream),
    drain: (withinMs) => switchboard.drain("This agent is stopping.", withinMs),
    async close() {
      closing.abort(new Error("This agent is stopping."));
      listening();
      mirror.close();
      await Promise.all([directory.close(), standing.close()]);
      switchboard.close();
      gate.close();
      record.close();
      roster.close();
    },
  };
}
