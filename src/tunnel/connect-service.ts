/** A connection to a Service within a time limit, its failure told in words that the origin may show. */
import type { Duplex } from "node:stream";
import { abortable, startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { Reason } from "../gen/fairlead/wire/v1/reason_pb.ts";

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
  dial: ServiceDialer,
  o: { service: { namespace: string; name: string }; port: number; clock: Clock; timeoutMs: number },
  signal: AbortSignal,
): Promise<ConnectedService> {
  const seconds = Math.ceil(o.timeoutMs / 1000);
  const timedOut = new Error(`Nobody answered on port ${o.port} within ${seconds} s.`);
  const deadline = startDeadline(o.clock, o.timeoutMs, () => timedOut, signal);
  const pending = dial(o.service, o.port, deadline.signal);
  try {
    return { ok: true, socket: await abortable(pending, deadline.signal) };
  } catch (error) {
    pending.then(
      (late) => late.destroy(),
      () => undefined,
    );
    if (signal.aborted) return { ok: false, reason: Reason.CANCELLED, message: "The dial was given up." };
    if (deadline.signal.aborted) return { ok: false, reason: Reason.DEADLINE, message: timedOut.message };
    return { ok: false, reason: Reason.UNREACHABLE, message: explain(error, o.port) };
  } finally {
    deadline.cancel();
  }
}

/** What the caller may know: not the host's addresses, which Node's own messages contain. */
function explain(error: unknown, port: number): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "ECONNREFUSED":
      return `The app refused the connection on port ${port}: nothing listens there.`;
    case "ECONNRESET":
      return `The app broke the connection on port ${port} off.`;
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `The app's port ${port} cannot be reached inside the peer's cluster (${code}).`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "The app's Service is not known to the peer's cluster yet.";
    default:
      return `The app's port ${port} cannot be reached inside the peer's cluster.`;
  }
}
