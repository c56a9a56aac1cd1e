/** The origin's end: a byte stream, or a stream of datagrams, to what is at a peer. */
import type { Duplex } from "node:stream";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import { isRevoked, ruleIn, type StreamRecord, verdictOn } from "../peering/stream-record.ts";
import { StreamError } from "../wire/reason.ts";
import { writeTarget } from "../wire/target.ts";
import { type DatagramTarget, isDatagrams, type NamedTarget, targetName, targetText } from "../wire/target-text.ts";
import { type Connections, countDatagrams, type Opened, passedBy } from "./connections.ts";
import { TunnelError, toTunnelError } from "./tunnel-error.ts";

/** Dials through the switchboard, which waits a while for a link that is being made. */
export type PeerDialer<T = Duplex> = (peer: string, target: Target, o: PeerDialOptions) => Promise<T>;

export interface PeerDialOptions {
  readonly signal?: AbortSignal;
  /** Told what the records of both ends call the stream, once the other end has answered. */
  answered?(correlation: string): void;
}

/** Dials what is at a peer; rejects with a {@link TunnelError} that says why it was not reached. */
export type AppDialer = (to: Destination, signal?: AbortSignal) => Promise<Duplex>;

/** Dials what is reached by datagrams, in the same way. What is sent may be lost; once the flow is open it is never late. See {@link DatagramPipe}. */
export type DatagramDialer = (to: Destination<DatagramTarget>, signal?: AbortSignal) => Promise<DatagramPipe>;

/** Where a dial goes: a port of an app or a Service, or whatever else, and the peer that has it. */
export interface Destination<T extends NamedTarget = NamedTarget> {
  readonly peer: string;
  readonly target: T;
  /** Who asks, as the door knows them; undefined where nobody can know. */
  readonly person?: string | undefined;
}

export interface DialerDeps {
  readonly record: Pick<StreamRecord, "note">;
  readonly connections: Pick<Connections, "add">;
}

/** Resolves when what is dialled has taken the connection. Each dial, and each that loses its right, is written down. */
export function createAppDialer(dial: PeerDialer, deps: DialerDeps): AppDialer {
  const recorded = recordedDial(deps, async (peer, target, o) => {
    const stream = await dial(peer, target, o);
    const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
    stream.once("error", resolve);
    stream.once("close", () => resolve(undefined));
    if (stream.closed) resolve(stream.errored ?? undefined);
    return { made: stream, closed, passed: () => passedBy(stream), end: (error) => void stream.destroy(error) };
  });
  return async (to, signal) => {
    if (isDatagrams(to.target)) throw new TunnelError("denied", `${targetText(to.target)} is reached by datagrams.`);
    return recorded(to, signal);
  };
}

/** The same for datagrams. */
export function createDatagramDialer(dial: PeerDialer<DatagramPipe>, deps: DialerDeps): DatagramDialer {
  return recordedDial(deps, async (peer, target, o) => {
    const { pipe, passed } = countDatagrams(await dial(peer, target, o));
    return { made: pipe, closed: pipe.closed, passed, end: (error) => pipe.close(error) };
  });
}

/** What was dialled, and what has to be known of it while it is open. */
interface Dialled<T> extends Pick<Opened, "passed" | "end"> {
  readonly made: T;
  /** Resolves when it is over, with what broke it. */
  readonly closed: Promise<Error | undefined>;
}

function recordedDial<T>(
  { record, connections }: DialerDeps,
  dial: PeerDialer<Dialled<T>>,
): (to: Destination, signal?: AbortSignal) => Promise<T> {
  return async (to, signal) => {
    const { peer, person, target } = to;
    let correlation: string | undefined;
    const answered = (name: string): void => {
      correlation = name;
    };
    const note = (
      action: "tunnel.open" | "tunnel.revoke",
      verdict: "allowed" | "denied" | "failed" | "done",
      message?: string,
    ): void => {
      const rule = message === undefined ? undefined : ruleIn(message);
      const entry = {
        action,
        actor: { peer, person },
        target: targetName(target),
        verdict,
        rule,
        message,
        correlation,
      };
      record.note(`${peer}/${person ?? ""}`, entry);
    };
    try {
      const { made, closed, passed, end } = await dial(peer, writeTarget(target), {
        answered,
        ...(signal && { signal }),
      });
      note("tunnel.open", "allowed");
      const forget = connections.add({ peer, person, target, correlation, side: "Here", passed, end });
      void closed.then((error) => {
        forget();
        if (isRevoked(error)) note("tunnel.revoke", "done", error.message);
      });
      return made;
    } catch (error) {
      const failure = toTunnelError(error);
      note("tunnel.open", verdictOn(error instanceof StreamError ? error.reason : undefined), failure.message);
      throw failure;
    }
  };
}
