import type { Duplex } from "node:stream";
import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import type { DatagramCounts } from "./datagram-line.ts";
import type { Datagrams } from "./datagrams.ts";
import type { RemoteHello } from "./hello.ts";
import type { DialOptions, OpenRequest } from "./outgoing.ts";
import type { CloseReason } from "./reason.ts";
import type { Stream } from "./stream.ts";
import type { StreamCounts } from "./stream-counts.ts";

/** How and why a session ended. */
export interface SessionEnd extends CloseReason {
  /** Who ended it; "network" when the carrier was lost with no word. */
  readonly by: "us" | "them" | "network";
  readonly cause?: unknown;
}

/** What the opener of a carrier says of it; the session itself makes nothing of it. */
export interface CarrierFacts {
  /** Whether this end dialled. */
  readonly dialled: boolean;
  /** Where the connection came from or went to. An ingress's or proxy's address, if one stands between. */
  readonly remoteAddress: string | undefined;
  /** The fingerprint of the agent that carries it, if one does. */
  readonly through?: string | undefined;
  /** When the first of the two certificates that were shown for it runs out, in milliseconds since 1970. */
  readonly provenUntil?: number | undefined;
}

/** News of a session that outlives its carriers. */
export type CarrierChange =
  /**
   * It has none, and waits for the next; `why` is how the last one went, `ageMs` how long it lasted, `silentMs` how long nothing had
   * come on it. Streams do not notice.
   */
  | { readonly kind: "lost"; readonly why: SessionEnd; readonly ageMs: number; readonly silentMs: number }
  /** It goes on, on this one: after a loss, or because a later one took over from one that stood. */
  | { readonly kind: "stands"; readonly carrier: CarrierFacts };

export interface SessionStats extends StreamCounts {
  /** Of the latest ping; undefined before the first answer. */
  readonly roundTripMs: number | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes that wait for the connection to take them. */
  readonly waitingBytes: number;
  /** Bytes that were sent and that the other end has not acknowledged; 0 when the session ends with its carrier. */
  readonly replayBytes: number;
  readonly datagrams: DatagramCounts;
  /** Carriers that it was on, the present one included. */
  readonly carriers: number;
  /** How often it went on at another carrier. */
  readonly resumes: number;
  /** Since when it has had no carrier, in milliseconds since 1970; undefined while it has one. */
  readonly carrierlessSince: number | undefined;
}

export interface Session {
  /** 16 bytes that both ends know the session by. */
  readonly id: Uint8Array;
  readonly remote: RemoteHello;
  /** Of the carrier that it is on; of the last one, while it has none. */
  readonly carrier: CarrierFacts;
  /** Resolves when the session is over; never rejects. */
  readonly closed: Promise<SessionEnd>;
  /** Resolves when the other end says that it will leave: streams go on, new ones are refused. Pends for ever if it never does. */
  readonly leaving: Promise<CloseReason>;
  /** Opens a stream; data may be written at once. Throws a {@link StreamError} when it is refused here already. */
  open(request: OpenRequest): Stream;
  /** Resolves when the other end has accepted; rejects with a {@link DialError}. */
  dial(target: Target, options?: DialOptions): Promise<Duplex>;
  /**
   * The same for datagrams, whatever network the target names; interactive unless said. What is sent before it resolves cannot be: send
   * then. UNSUPPORTED when the other end's version does not know them.
   */
  dialDatagrams(target: Target, options?: DialOptions): Promise<Datagrams>;
  /**
   * Tells of each carrier that is lost while the session goes on, and of each on which it does; nothing when the session ends.
   * Called synchronously; must not throw. The answer ends that.
   */
  onCarrier(listener: (change: CarrierChange) => void): () => void;
  /**
   * Takes no new streams, waits for those that are open and until the other end has all that was said, also at the next carrier,
   * but at most `withinMs` (30 s unless said), and closes.
   */
  drain(message: string, withinMs?: number): Promise<void>;
  /** Ends all streams and the session, and tells the other end why. */
  close(reason: CloseReason): void;
  stats(): SessionStats;
}
