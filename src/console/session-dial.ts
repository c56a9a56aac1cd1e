/** What a dial on a session reaches: a port of an app, wherever it runs, or what else a peer has. */
import { ConnectError } from "@connectrpc/connect";
import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { joinDatagrams } from "../base/datagram-pipe.ts";
import { errorText } from "../base/error-text.ts";
import { join } from "../base/join.ts";
import { Door } from "../gen/fairlead/console/v1/access_pb.ts";
import type { AppDialer, DatagramDialer } from "../tunnel/entry.ts";
import { TunnelError, type TunnelFailure, toTunnelError } from "../tunnel/tunnel-error.ts";
import { Reason } from "../wire/reason.ts";
import type { IncomingDial } from "../wire/session.ts";
import { readTarget } from "../wire/target.ts";
import { isDatagrams, type NamedTarget } from "../wire/target-text.ts";
import type { DoorGuard, Whither } from "./access/door-guard.ts";
import type { Principal } from "./auth/principal.ts";

/** Header of a dial's metadata: the peer. Needed for all but an app that runs at one only. */
const peerHeader = "fairlead-peer";

/** What no peer has answered by then is given up: longer than a host waits for what is dialled, whose word is better. Milliseconds. */
const dialMs = 30_000;

export interface SessionDialDeps {
  /** The peer that runs it, and which RemoteApp it is. Throws a ConnectError when there is none. */
  find(app: { namespace: string; name: string }, peer: string | undefined): { peer: string; uid: string };
  readonly guard: DoorGuard;
  readonly dial: AppDialer;
  readonly dialDatagrams: DatagramDialer;
  /** Whether there is such a peer. */
  hasPeer(name: string): boolean;
  readonly clock: Clock;
}

/** Answers dials of who is signed in; returns at once and never throws. */
export function createSessionDial(deps: SessionDialDeps): (dial: IncomingDial, principal: Principal) => void {
  async function answer(incoming: IncomingDial, principal: Principal): Promise<void> {
    const read = readTarget(incoming.target);
    if (!read.ok) {
      const reason = read.reason === "unsupported" ? Reason.UNSUPPORTED : Reason.NOT_FOUND;
      return incoming.refuse(reason, read.message);
    }
    const destination = destinationOf(read.target, incoming.metadata.get(peerHeader) ?? undefined);
    const refused = destination.to && deps.guard.refuses(principal, Door.DIAL, destination.to);
    if (refused !== undefined) return incoming.refuse(Reason.DENIED, refused);
    if (!destination.ok) return incoming.refuse(Reason.NOT_FOUND, destination.message);
    const { name: person } = principal;
    const { peer, target } = destination;
    const hold = (breakOff: () => void) => deps.guard.hold(principal, Door.DIAL, peer, breakOff);
    if (isDatagrams(target)) {
      const pipe = await inTime(peer, incoming, (signal) => deps.dialDatagrams({ peer, target, person }, signal));
      try {
        if (incoming.signal.aborted) return;
        await whileAllowed(
          hold,
          () => pipe.close(),
          joinDatagrams(incoming.acceptDatagrams(), pipe, { clock: deps.clock }),
        );
      } finally {
        pipe.close();
      }
      return;
    }
    const stream = await inTime(peer, incoming, (signal) => deps.dial({ peer, target, person }, signal));
    if (incoming.signal.aborted) stream.destroy();
    else await whileAllowed(hold, () => stream.destroy(noLonger()), join(incoming.accept(), stream));
  }

  /** Until `done`, `breakOff` ends it when it is no longer allowed. */
  async function whileAllowed(
    hold: (breakOff: () => void) => () => void,
    breakOff: () => void,
    done: Promise<unknown>,
  ) {
    const letGo = hold(breakOff);
    try {
      await done;
    } finally {
      letGo();
    }
  }

  async function inTime<T>(
    peer: string,
    incoming: IncomingDial,
    dial: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const late = (): TunnelError => new TunnelError("timeout", `${peer} did not answer within ${dialMs / 1000} s.`);
    const deadline = startDeadline(deps.clock, dialMs, late, incoming.signal);
    try {
      return await dial(deadline.signal);
    } finally {
      deadline.cancel();
    }
  }

  /** Where it leads, or why it leads nowhere; `to` is what that is judged by in either case. */
  function destinationOf(target: NamedTarget, named: string | undefined): Destination {
    if (target.kind === "app") {
      try {
        const { peer, uid } = deps.find(target, named);
        return { ok: true, to: { found: peer }, peer, target: { ...target, uid } };
      } catch (error) {
        return { ok: false, to: { found: undefined }, message: ConnectError.from(error).rawMessage };
      }
    }
    if (named === undefined) return { ok: false, message: "It is not said at which peer." };
    const to = { named };
    if (!deps.hasPeer(named)) return { ok: false, to, message: `There is no peer "${named}".` };
    return { ok: true, to, peer: named, target };
  }

  return (incoming, principal) => {
    answer(incoming, principal).catch((error: unknown) => {
      const failure = toTunnelError(error);
      incoming.refuse(reasonOf[failure.failure], errorText(failure));
    });
  };
}

type Destination =
  | { readonly ok: true; readonly to: Whither; readonly peer: string; readonly target: NamedTarget }
  | { readonly ok: false; readonly to?: Whither; readonly message: string };

function noLonger(): TunnelError {
  return new TunnelError("denied", "This is no longer allowed to you.");
}

const reasonOf: Readonly<Record<TunnelFailure, Reason>> = {
  "not-found": Reason.NOT_FOUND,
  denied: Reason.DENIED,
  "not-ready": Reason.NOT_READY,
  away: Reason.UNREACHABLE,
  overloaded: Reason.OVERLOADED,
  limited: Reason.OVERLOADED,
  timeout: Reason.DEADLINE,
  broken: Reason.UNREACHABLE,
  cancelled: Reason.CANCELLED,
};
