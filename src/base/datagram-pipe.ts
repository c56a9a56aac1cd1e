/** Datagrams both ways between two places, each whole or not at all, in any order and with no promise; and two such joined. */
import type { Clock, Timer } from "./clock.ts";

/** One place's end: a socket of UDP, or a stream of datagrams. */
export interface DatagramPipe {
  /** Sends one, which belongs to the pipe from now on. It may be lost like any; false when it is lost already. */
  send(payload: Uint8Array): boolean;
  /** Sets the one listener, which must not throw. What it is told of may be a view of something larger: who keeps it copies it. */
  listen(listener: (payload: Uint8Array) => void): void;
  /** Resolves when it is over: with what broke it, or with nothing when it was ended. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  /** Ends it, or with an error breaks it off and says why where that can be said. Harmless when it is over. */
  close(error?: Error): void;
}

/** How a flow between two pipes went: datagrams and bytes from `a` to `b` and back. */
export interface FlowEnd {
  readonly sent: FlowCount;
  readonly received: FlowCount;
  /** What broke it, if anything did; being idle for too long does not. */
  readonly error?: Error;
}

export interface FlowCount {
  readonly datagrams: number;
  readonly bytes: number;
  /** That came and did not go on, since they came too fast. */
  readonly dropped: number;
}

/** A flow that nobody uses is a socket for nothing. Whoever asks for one should end it sooner. Milliseconds. */
const mostIdleMs = 300_000;

export interface JoinDatagramsOptions {
  readonly clock: Clock;
  /** With no datagram either way for so long, in milliseconds, both are ended; 300,000 unless given. */
  readonly idleMs?: number;
  /** Asked for each datagram that comes from a side: whether it may go on. All may unless given. */
  mayPass?(from: DatagramPipe, bytes: number): boolean;
  /** Told of each, and whether it went on or was dropped. */
  counted?(from: DatagramPipe, bytes: number, passed: boolean): void;
}

/** Resolves once both are over; never rejects. Nothing waits here: what one side does not take is dropped. */
export async function joinDatagrams(a: DatagramPipe, b: DatagramPipe, o: JoinDatagramsOptions): Promise<FlowEnd> {
  const { clock, idleMs = mostIdleMs } = o;
  let last = clock.monotonic();
  let timer: Timer | undefined;

  const pass = (from: DatagramPipe, to: DatagramPipe) => {
    const count = { datagrams: 0, bytes: 0, dropped: 0 };
    from.listen((payload) => {
      last = clock.monotonic();
      const { length } = payload;
      const passed = (o.mayPass?.(from, length) ?? true) && to.send(own(payload));
      o.counted?.(from, length, passed);
      if (!passed) count.dropped += 1;
      else {
        count.datagrams += 1;
        count.bytes += length;
      }
    });
    return count;
  };
  const end = (error?: Error): void => {
    a.close(error);
    b.close(error);
  };
  /** One timer that is set again, and not one for each datagram. */
  const watch = (): void => {
    const leftMs = last + idleMs - clock.monotonic();
    if (leftMs <= 0) end();
    else {
      timer = clock.after(leftMs, watch);
      timer.unref?.();
    }
  };

  const sent = pass(a, b);
  const received = pass(b, a);
  watch();
  const first = await Promise.race([a.closed, b.closed]);
  timer?.cancel();
  end(first);
  const [one, other] = await Promise.all([a.closed, b.closed]);
  const error = first ?? one ?? other;
  return { sent, received, ...(error && { error }) };
}

/** A datagram that waits somewhere must not hold all that came with it. */
function own(payload: Uint8Array): Uint8Array {
  return payload.length < payload.buffer.byteLength ? Uint8Array.from(payload) : payload;
}
