/**
 * Two byte streams become one conversation. An end of one side is an end for the other and leaves the way back open
 * (half-close); a break of one is a break of the other, never a clean end; a slow reader slows its writer.
 */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

/** How a conversation went: bytes from `a` to `b` and back, and what broke it, if it broke. */
export interface JoinEnd {
  readonly sent: number;
  readonly received: number;
  readonly error?: Error;
}

/** How fast one side's bytes may pass, where something bounds that. */
export interface Pace {
  /** Told of each piece that has passed. True when no more may until it calls `goOn`. */
  passed(bytes: number, goOn: () => void): boolean;
  /** No more will pass. */
  end(): void;
}

/**
 * Resolves once both sides are closed; never rejects. Both must allow half-open, or half-close ends them early. As fast as each
 * takes what comes from the other, unless `paceFrom` says otherwise.
 */
export function join(a: Duplex, b: Duplex, paceFrom?: (side: Duplex) => Pace): Promise<JoinEnd> {
  return new Promise((resolve) => {
    let sent = 0;
    let received = 0;
    let failure: Error | undefined;
    let open = 2;

    watch(a, b);
    watch(b, a);
    pour(
      a,
      b,
      (bytes) => {
        sent += bytes;
      },
      paceFrom?.(a),
    );
    pour(
      b,
      a,
      (bytes) => {
        received += bytes;
      },
      paceFrom?.(b),
    );

    function watch(side: Duplex, other: Duplex): void {
      const onClose = (): void => {
        if (!(side.readableEnded && side.writableFinished)) {
          failure ??= side.errored ?? new Error("The connection was closed before it had ended.");
        }
        if (failure) breakOff(other, failure);
        open -= 1;
        if (open === 0) resolve({ sent, received, ...(failure && { error: failure }) });
      };
      side.on("error", (error: Error) => {
        failure ??= error;
      });
      if (side.closed) queueMicrotask(onClose);
      else side.once("close", onClose);
    }
  });
}

/**
 * As `pipe`, but what is read in one go leaves as one write: TLS hands over 16 KiB at a time, and a system call for each of them was
 * a third of what it cost to receive.
 */
function pour(from: Duplex, into: Duplex, passed: (bytes: number) => void, pace?: Pace): void {
  let corked = false;
  let held = false;
  const uncork = (): void => {
    corked = false;
    into.uncork();
  };
  const goOn = (): void => {
    held = false;
    if (!into.writableNeedDrain) from.resume();
  };
  from.on("data", (chunk: Uint8Array) => {
    passed(chunk.length);
    held = pace?.passed(chunk.length, goOn) ?? false;
    if (!corked) {
      corked = true;
      into.cork();
      process.nextTick(uncork);
    }
    if (!into.write(chunk) || held) from.pause();
  });
  into.on("drain", () => {
    if (!held) from.resume();
  });
  from.once("end", () => into.end());
  if (pace) from.once("close", () => pace.end());
  if (!into.writableNeedDrain) from.resume();
}

/** Ends a stream so that whoever is behind it sees a break: a socket of TCP sends RST, everything else is destroyed. */
export function breakOff(stream: Duplex, reason: Error): void {
  if (stream.destroyed) return;
  // A TLS socket inherits the method, but throws: there is no TCP handle of its own behind it. A Unix socket knows no RST.
  if (stream instanceof Socket && !(stream instanceof TLSSocket) && (stream.connecting || stream.remoteAddress)) {
    stream.resetAndDestroy();
  } else stream.destroy(reason);
}
