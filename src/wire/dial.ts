import type { Duplex } from "node:stream";
import type { DatagramOutlet } from "./datagram-line.ts";
import { DatagramFlow, type Datagrams } from "./datagrams.ts";
import { StreamDuplex } from "./duplex.ts";
import type { DialOptions } from "./outgoing.ts";
import { DialError, Reason, StreamError } from "./reason.ts";
import type { Stream } from "./stream.ts";

type AwaitOptions = Pick<DialOptions, "signal" | "numbered">;

/** Opens and waits for the answer, so that an open which is refused here already rejects with a {@link DialError} as well. */
export function dialWith<T>(open: () => Stream, wait: (stream: Stream) => Promise<T>): Promise<T> {
  try {
    return wait(open());
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    return Promise.reject(new DialError(error.reason, error.message, { remote: error.remote, cause: error }));
  }
}

/**
 * Waits until the other end has accepted a dialled stream. Rejects with a {@link DialError} when it refuses, when the link is
 * lost, or when the signal aborts (CANCELLED, with the signal's reason as cause). Once it has resolved the signal means
 * nothing any more: destroy the Duplex.
 */
export function awaitDial(stream: Stream, options: AwaitOptions): Promise<Duplex> {
  return awaitHead(stream, options, (onHead, onClosed) => {
    const duplex = new StreamDuplex(stream, onHead);
    duplex.once("close", onClosed);
    return duplex;
  });
}

/** The same for a stream of datagrams: close them when they are not wanted any more. */
export function awaitDatagrams(stream: Stream, outlet: DatagramOutlet, options: AwaitOptions): Promise<Datagrams> {
  return awaitHead(stream, options, (onHead, onClosed) => {
    const flow = new DatagramFlow(stream, outlet, onHead);
    void flow.closed.then(onClosed);
    return flow;
  });
}

/** `begin` makes what the dial gives, and tells when the other end has accepted and when all is over. */
function awaitHead<T>(
  stream: Stream,
  { signal, numbered }: AwaitOptions,
  begin: (onHead: () => void, onClosed: () => void) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => stream.reset(Reason.CANCELLED, "The dial was given up.", signal?.reason);
    const done = (): void => {
      signal?.removeEventListener("abort", onAbort);
      // Without a number it never left.
      if (stream.id > 0) numbered?.(stream.id);
    };
    let accepted = false;
    const made = begin(
      () => {
        accepted = true;
        done();
        resolve(made);
      },
      () => {
        if (accepted) return;
        done();
        const { cut } = stream;
        const remote = cut?.remote ?? false;
        reject(new DialError(cut?.reason ?? Reason.INTERNAL, cut?.message ?? "", { remote, cause: cut?.cause ?? cut }));
      },
    );
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}
