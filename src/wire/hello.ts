import { create } from "@bufbuild/protobuf";
import { type Hello, HelloSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";
import { maxDataHeaderBytes } from "./frame.ts";
import { type Limits, maxDataBytes, unsaidLimits } from "./limits.ts";
import { Reason, SessionError } from "./reason.ts";

/** The end whose CA fingerprint is the smaller one is low. */
export type Side = "low" | "high";

/** What this agent says of itself to each other agent. */
export interface LocalHello {
  /** 16 random bytes, made when the process started. */
  readonly instance: Uint8Array;
  /** The agent's version, for people. */
  readonly version: string;
  /** None are needed for what this version does. */
  readonly features?: readonly string[];
}

/** What the other end has said of itself. None of it is proven. */
export interface RemoteHello {
  readonly instance: Uint8Array;
  readonly version: string;
  /** Those that both ends have. */
  readonly features: readonly string[];
  readonly limits: RemoteLimits;
}

/** What the other end takes. */
export interface RemoteLimits {
  /** Bytes of data in one frame. */
  readonly maxDataBytes: number;
  /** Bytes of one datagram. */
  readonly maxDatagramBytes: number;
  readonly maxHeaderBytes: number;
  readonly maxStreams: number;
  readonly streamCredit: number;
}

const idBytes = 16;
/** A shorter limit on frames than this leaves no room for what must be said. */
const leastFrameBytes = 16_384;
/** Of what the other end says for people, no more than this is kept. */
const maxVersionLength = 100;
const maxFeatures = 64;

/** The Hello to send; `fresh` and the number of the carrier are the low end's to give. */
export function localHello(
  hello: LocalHello,
  low: { readonly fresh: Uint8Array; readonly carrier: bigint } | undefined,
  limits: Limits,
): Hello {
  return create(HelloSchema, {
    instance: hello.instance,
    version: hello.version,
    features: [...(hello.features ?? [])],
    limits: {
      maxFrameBytes: limits.maxFrameBytes,
      maxHeaderBytes: limits.maxHeaderBytes,
      maxStreams: limits.maxStreams,
      streamCredit: limits.streamCredit,
    },
    ...low,
  });
}

/** Throws a SessionError (PROTOCOL) that says what is wrong with it. */
export function readHello(hello: Hello, local: LocalHello, side: Side): RemoteHello {
  const frameBytes = hello.limits?.maxFrameBytes || unsaidLimits.maxFrameBytes;
  const headerBytes = hello.limits?.maxHeaderBytes || unsaidLimits.maxHeaderBytes;
  if (hello.instance.length !== idBytes)
    throw wrong(`an instance id of ${hello.instance.length} bytes, not ${idBytes}`);
  if (frameBytes < leastFrameBytes) throw wrong(`a limit of ${frameBytes} bytes a frame, below ${leastFrameBytes}`);
  if (side === "high" && (hello.fresh.length !== idBytes || hello.carrier === 0n)) {
    throw wrong("no id for the session, or no number for its carrier");
  }
  if (side === "low" && (hello.fresh.length > 0 || hello.carrier > 0n)) {
    throw wrong("an id for the session, which is the low end's to give: both take themselves for the low end");
  }
  const theirs = new Set(hello.features.slice(0, maxFeatures));
  return {
    // A copy, since what was decoded is a view that would keep the connection's first chunk alive.
    instance: Uint8Array.from(hello.instance),
    version: hello.version.slice(0, maxVersionLength),
    features: (local.features ?? []).filter((feature) => theirs.has(feature)),
    limits: {
      maxDataBytes: Math.min(maxDataBytes, frameBytes - maxDataHeaderBytes),
      maxDatagramBytes: frameBytes - maxDataHeaderBytes,
      // The rest is for what else stands in such a frame: target, numbers, lengths.
      maxHeaderBytes: Math.min(headerBytes, frameBytes - 8192),
      maxStreams: hello.limits?.maxStreams || unsaidLimits.maxStreams,
      streamCredit: hello.limits?.streamCredit || unsaidLimits.streamCredit,
    },
  };
}

function wrong(what: string): SessionError {
  return new SessionError(Reason.PROTOCOL, `The other end's Hello has ${what}.`);
}
