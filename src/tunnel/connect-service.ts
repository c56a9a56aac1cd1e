/** A connection to a Service within a time limit, its failure told in words that the origin may show. */
import type { Duplex } from "node:stream";
import { abortable, startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { KubeError } from "../kube/errors.ts";
import { Reason } from "../wire/reason.ts";

/**
 * Connects to a port of a Service. The stream allows half-open. Rejects when nobody answers, and with the signal's
 * reason when that aborts.
 */
export type ServiceDialer = (
  ref: { namespace: string; name: string },
  port: number,
  signal: AbortSignal,
) => Promise<Duplex>;

export type ConnectedService =
  | { readonly ok: true; readonly socket: Duplex }
  | { readonly ok: false; readonly reason: Reason; readonly message: string };

/** Never rejects. A connection that is made after the limit, or after `signal`, is closed again. */
export async function connectService(
  o: {
    dial(signal: AbortSignal): Promise<Duplex>;
    /** What it is, for messages: "app". */
    what: string;
    port: number;
    clock: Clock;
    timeoutMs: number;
  },
  signal: AbortSignal,
): Promise<ConnectedService> {
  const timedOut = `Nobody answered on port ${o.port} within ${Math.ceil(o.timeoutMs / 1000)} s.`;
  const deadline = startDeadline(o.clock, o.timeoutMs, () => new Error(timedOut), signal);
  const pending = o.dial(deadline.signal);
  try {
    return { ok: true, socket: await abortable(pending, deadline.signal) };
  } catch (error) {
    pending.then(
      (late) => late.destroy(),
      () => undefined,
    );
    if (signal.aborted) return { ok: false, reason: Reason.CANCELLED, message: "The dial was given up." };
    if (deadline.signal.aborted) return { ok: false, reason: Reason.DEADLINE, message: timedOut };
    return explain(error, o);
  } finally {
    deadline.cancel();
  }
}

/** What the caller may know: not the host's addresses, which the messages of errors contain. */
function explain(error: unknown, { what, port }: { what: string; port: number }): ConnectedService & { ok: false } {
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
