import type { Duplex } from "node:stream";
import { StreamDuplex } from "./duplex.ts";
import { DialError, Reason } from "./reason.ts";
import type { Stream } from "./stream.ts";

/**
 * Waits until the other end has accepted a dialled stream. Rejects with a {@link DialError} when it refuses, when the link is
 * lost, or when `signal` aborts (CANCELLED, with the signal's reason as cause). Once it has resolved the signal means
 * nothing any more: destroy the Duplex.
 */
export function awaitDial(stream: Stream, signal?: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => stream.reset(Reason.CANCELLED, "The dial was given up.", signal?.reason);
    const done = (): void => signal?.removeEventListener("abort", onAbort);
    let accepted = false;
    const duplex = new StreamDuplex(stream, () => {
      accepted = true;
      done();
      resolve(duplex);
    });
    duplex.once("close", () => {
      if (accepted) return;
      done();
      const { cut } = stream;
      const remote = cut?.remote ?? false;
      reject(new DialError(cut?.reason ?? Reason.INTERNAL, cut?.message ?? "", { remote, cause: cut?.cause ?? cut }));
    });
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}
