/** A connection to a Service within a time limit, its failure told in words that the origin may show. */
import type { Duplex } from "node:stream";
import { abortable, startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import { KubeError } from "../kube/errors.ts";
import { type CloseReason, Reason, StreamError } from "../wire/reason.ts";

/**
 * Connects to a port of a Service. The stream allows half-open. Rejects when nobody answers, and with the signal's
 * reason when that aborts.
 */
export type ServiceDialer = (
  ref: { namespace: string; name: string },
  port: number,
  signal: AbortSignal,
) => Promise<Duplex>;

/** The same for datagrams. */
export type DatagramServiceDialer = (
  ref: { namespace: string; name: string },
  port: number,
  signal: AbortSignal,
) => Promise<DatagramPipe>;

export type Connected<T> = { readonly ok: true; readonly socket: T } | Unconnected;

export interface Unconnected extends CloseReason {
  readonly ok: false;
}

export interface ConnectOptions<T> {
  dial(signal: AbortSignal): Promise<T>;
  /** What it is, for messages: "app". */
  readonly what: string;
  readonly port: number;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** Never rejects. A connection that is made after the limit, or after `signal`, is closed again. */
export function connectService(o: ConnectOptions<Duplex>, signal: AbortSignal): Promise<Connected<Duplex>> {
  return connect(o, (late) => void late.destroy(), signal);
}

/** The same for datagrams. What breaks them later is told in such words, too. */
export async function connectDatagrams(
  o: ConnectOptions<DatagramPipe>,
  signal: AbortSignal,
): Promise<Connected<DatagramPipe>> {
  const made = await connect(o, (late) => late.close(), signal);
  if (!made.ok) return made;
  const { socket } = made;
  const tell = (error: Error | undefined): Error | undefined => {
    if (error === undefined || error instanceof StreamError) return error;
    const { reason, message } = explain(error, o);
    return new StreamError(reason, message, { cause: error });
  };
  const told: DatagramPipe = {
    send: (payload) => socket.send(payload),
    listen: (listener) => socket.listen(listener),
    close: (error) => socket.close(error),
    closed: socket.closed.then(tell),
  };
  return { ok: true, socket: told };
}

async function connect<T>(
  o: ConnectOptions<T>,
  discard: (late: T) => void,
  signal: AbortSignal,
): Promise<Connected<T>> {
  const timedOut = `Nobody answered on port ${o.port} within ${Math.ceil(o.timeoutMs / 1000)} s.`;
  const deadline = startDeadline(o.clock, o.timeoutMs, () => new Error(timedOut), signal);
  const pending = o.dial(deadline.signal);
  try {
    return { ok: true, socket: await abortable(pending, deadline.signal) };
  } catch (error) {
    pending.then(discard, () => undefined);
    if (signal.aborted) return { ok: false, reason: Reason.CANCELLED, message: "The dial was given up." };
    if (deadline.signal.aborted) return { ok: false, reason: Reason.DEADLINE, message: timedOut };
    return explain(error, o);
  } finally {
    deadline.cancel();
  }
}

/** What the caller may know: not the host's addresses, which the messages of errors contain. */
function explain(error: unknown, { what, port }: { what: string; port: number }): Unconnected {
  const unreachable = { ok: false, reason: Reason.UNREACHABLE } as const;
  if (error instanceof KubeError) {
    if (error.reason === "NoReadyPods") {
      return {
        ok: false,
        reason: Reason.NOT_READY,
        message: `None of the ${what}'s pods is ready to take connections.`,
      };
    }
    if (error.status === 404) {
      const gone = what === "app" ? `The app's Service, or its port ${port},` : `The ${what}, or its port ${port},`;
      return { ...unreachable, message: `${gone} is not there.` };
    }
    if (error.reason === "NoDatagrams") {
      const message = `The peer's agent runs beside its cluster, where Kubernetes forwards TCP only: no UDP of the ${what} is reached from there. It is from an agent that is installed in the cluster.`;
      return { ok: false, reason: Reason.UNSUPPORTED, message };
    }
    if (error.reason === "Forbidden") {
      return { ...unreachable, message: `The ${what} leads to where peers are not let: ${error.message}` };
    }
  }
  const code = codeOf(error);
  switch (code) {
    case "ECONNREFUSED":
      return { ...unreachable, message: `The ${what} refused the connection on port ${port}: nothing listens there.` };
    case "ECONNRESET":
      return { ...unreachable, message: `The ${what} broke the connection on port ${port} off.` };
    default: {
      const why = code === undefined ? "" : ` (${code})`;
      return {
        ...unreachable,
        message: `The ${what}'s port ${port} cannot be reached inside the peer's cluster${why}.`,
      };
    }
  }
}

/** The system's code, which rooms below may have wrapped. */
function codeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if ("code" in at && typeof at.code === "string") return at.code;
  }
  return undefined;
}
