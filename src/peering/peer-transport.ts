import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { PeeringError } from "./error.ts";
import type { HeldLink } from "./held-link.ts";
import { Unreachable } from "./link-waiters.ts";

/** Calls over whichever link counts when each is made. The time that a call waits for a link is part of its time-out. */
export function createPeerTransport(deps: {
  clock: Clock;
  connected(signal: AbortSignal | undefined): Promise<HeldLink>;
}): Transport {
  const { clock } = deps;

  async function waitForLink(
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
  ): Promise<{ transport: Transport; leftMs: number | undefined }> {
    const startedAt = clock.monotonic();
    const tooLate = (): ConnectError => new ConnectError("The peer was not reached in time.", Code.DeadlineExceeded);
    const deadline = timeoutMs && timeoutMs > 0 ? startDeadline(clock, timeoutMs, tooLate, signal) : undefined;
    try {
      const { transport } = await deps.connected(deadline?.signal ?? signal);
      if (!deadline || !timeoutMs) return { transport, leftMs: timeoutMs };
      // In whole milliseconds, because gRPC has no others.
      return { transport, leftMs: Math.max(1, Math.round(timeoutMs - (clock.monotonic() - startedAt))) };
    } catch (error) {
      throw toCallError(error);
    } finally {
      deadline?.cancel();
    }
  }

  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const { transport, leftMs } = await waitForLink(signal, timeoutMs);
      return transport.unary(method, signal, leftMs, header, input, contextValues);
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      const { transport, leftMs } = await waitForLink(signal, timeoutMs);
      return transport.stream(method, signal, leftMs, header, input, contextValues);
    },
  };
}

function toCallError(error: unknown): ConnectError {
  if (error instanceof Unreachable)
    return new ConnectError(error.message, Code.Unavailable, undefined, undefined, error);
  if (error instanceof PeeringError) return new ConnectError(error.message, Code.NotFound, undefined, undefined, error);
  return ConnectError.from(error, Code.Canceled);
}
