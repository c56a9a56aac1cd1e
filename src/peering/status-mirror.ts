/** Keeps `Peer.status` equal to what is so. */
import { create } from "@bufbuild/protobuf";
import type { Clock, Timer } from "../base/clock.ts";
import { ConditionSchema } from "../gen/fairlead/resources/v1alpha1/condition_pb.ts";
import { GrantHeldSchema, type PeerStatus, PeerStatusSchema } from "../gen/fairlead/resources/v1alpha1/peer_pb.ts";
import { timeText } from "../kube/time.ts";
import type { PeerFacts } from "./directory.ts";
import type { LinkStatus } from "./link-status.ts";
import type { Roster } from "./roster.ts";
import { lookAgain, noRoundTrip, type ShownRoundTrip } from "./shown-round-trip.ts";
import type { HeldGrant } from "./standing-watch.ts";
import type { LinkListener } from "./switchboard.ts";

export interface StatusMirror {
  /** Something about the peer changed. */
  update(peer: string): void;
  /** The words of its pairing. */
  remember(peer: string, words: string): void;
  close(): void;
}

export interface StatusMirrorDeps {
  readonly roster: Roster;
  readonly clock: Clock;
  status(peer: string): LinkStatus;
  facts(peer: string): PeerFacts | undefined;
  /** What this agent may do at the peer, as that says. */
  held(peer: string): readonly HeldGrant[] | undefined;
  subscribe(listener: LinkListener): () => void;
  write(peer: string, status: PeerStatus): void;
}

/** How often the round trip is looked at, in milliseconds; it is written when it has become another. */
const lookMs = 60_000;

export function createStatusMirror(deps: StatusMirrorDeps): StatusMirror {
  const { roster, clock } = deps;
  const words = new Map<string, string>();
  /** Of each peer that has a link, and by which path. */
  const roundTrips = new Map<string, { path: LinkStatus["path"]; shown: ShownRoundTrip }>();

  function update(name: string): void {
    if (!roster.get(name)) return;
    const said = {
      facts: deps.facts(name) ?? stored(name),
      held: deps.held(name) ?? [],
      words: words.get(name) ?? roster.words(name),
    };
    const link = deps.status(name);
    deps.write(name, describePeer(link, roundTripOf(name, link), said, roster.generation(name)));
  }

  /** Without a link it is not known how long one takes. */
  function roundTripOf(name: string, link: LinkStatus): number | undefined {
    if (link.state !== "connected") {
      roundTrips.delete(name);
      return undefined;
    }
    const known = roundTrips.get(name);
    if (!known || known.path !== link.path || known.shown.ms === undefined) look(name, link);
    return roundTrips.get(name)?.shown.ms;
  }

  /** Says whether what is shown has become another. */
  function look(name: string, { path, roundTripMs }: LinkStatus): boolean {
    const known = roundTrips.get(name);
    const before = known && known.path === path ? known.shown : noRoundTrip;
    const shown = lookAgain(before, roundTripMs);
    roundTrips.set(name, { path, shown });
    return shown.ms !== before.ms;
  }

  /** A peer that has not said it again yet, to this process, is what it was. */
  function stored(name: string): PeerFacts | undefined {
    const said = roster.facts(name);
    if (!said) return undefined;
    const { version = "", ...facts } = said;
    return { version, facts };
  }

  const ended = roster.subscribe(({ name, before, after }) => {
    if (after) return;
    words.delete(name);
    roundTrips.delete(name);
    if (before) deps.write(name, describeRemoved(clock.now()));
  });
  const unsubscribe = deps.subscribe((name) => update(name));
  let timer: Timer = arm();

  function arm(): Timer {
    const next = clock.after(lookMs, () => {
      for (const { name } of roster.list()) {
        const link = deps.status(name);
        if (link.state === "connected" && look(name, link)) update(name);
      }
      timer = arm();
    });
    next.unref?.();
    return next;
  }

  return {
    update,
    remember(name, told) {
      words.set(name, told);
      update(name);
    },
    close() {
      ended();
      unsubscribe();
      timer.cancel();
    },
  };
}

const stateNames = { connected: "Connected", connecting: "Connecting", disconnected: "Disconnected" } as const;

/** What a peer has said of itself and of us, and the words of its pairing. */
interface Said {
  readonly facts: PeerFacts | undefined;
  readonly held: readonly HeldGrant[];
  readonly words: string | undefined;
}

/** Pure. */
function describePeer(
  link: LinkStatus,
  roundTripMs: number | undefined,
  { facts, held, words }: Said,
  generation: number,
): PeerStatus {
  const version = facts?.version || link.version;
  const connected = link.state === "connected";
  return create(PeerStatusSchema, {
    observedGeneration: generation,
    link: {
      state: stateNames[link.state],
      since: timeText(link.since),
      ...(link.path && { path: link.path }),
      ...(link.lastError && { message: link.lastError.slice(0, 1024) }),
    },
    ...(roundTripMs !== undefined && { roundTripMs }),
    ...(version && { version }),
    ...(link.instance && { instance: link.instance }),
    facts: { ...facts?.facts },
    // While it is connected that is now, and would have to be written all the time.
    ...(!connected && link.lastSeenAt !== undefined && { lastSeenAt: timeText(link.lastSeenAt) }),
    ...(words && { words }),
    grantsHeld: held.map((grant) => create(GrantHeldSchema, grant)),
    conditions: [
      create(ConditionSchema, {
        type: "Connected",
        status: connected ? "True" : "False",
        observedGeneration: generation,
        lastTransitionTime: timeText(link.since),
        reason: connected ? "LinkUp" : link.state === "connecting" ? "Connecting" : "Unreachable",
        message: (link.lastError ?? (connected ? "The link stands." : "There is no link.")).slice(0, 1024),
      }),
    ],
  });
}

function describeRemoved(now: number): PeerStatus {
  const message = "The pairing has ended. The record keeps the name from being given to another agent.";
  return create(PeerStatusSchema, {
    link: { state: "Disconnected", since: timeText(now), message },
    conditions: [
      create(ConditionSchema, {
        type: "Connected",
        status: "False",
        lastTransitionTime: timeText(now),
        reason: "Removed",
        message,
      }),
    ],
  });
}
