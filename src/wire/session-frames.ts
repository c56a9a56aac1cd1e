import { create } from "@bufbuild/protobuf";
import {
  AckSchema,
  CloseSchema,
  DetachSchema,
  GoAwaySchema,
  UnsupportedSchema,
} from "../gen/fairlead/wire/v1/frame_pb.ts";
import { encodeFrame } from "./frame.ts";
import { type CloseReason, shortMessage } from "./reason.ts";

/** The last frame on a carrier whose session, or which itself, is over. */
export function closeFrame({ reason, message }: CloseReason): Uint8Array {
  return encodeFrame(0, { case: "close", value: create(CloseSchema, { reason, message: shortMessage(message) }) });
}

/** The last frame on a carrier that a later one, with the number `next`, has taken over from. */
export function detachFrame(next: bigint): Uint8Array {
  return encodeFrame(0, { case: "detach", value: create(DetachSchema, { next }) });
}

/** The session ends when all is done; streams above the last one that was taken up here were not. */
export function goAwayFrame({ reason, message }: CloseReason, lastTaken: number): Uint8Array {
  const value = create(GoAwaySchema, { reason, message: shortMessage(message), lastStream: BigInt(lastTaken) });
  return encodeFrame(0, { case: "goAway", value });
}

/** So many counted frames have come in the session, and counted bytes of datagrams on the carrier. */
export function ackFrame(received: number, datagramBytes: number): Uint8Array {
  const value = create(AckSchema, { received: BigInt(received), datagramBytes: BigInt(datagramBytes) });
  return encodeFrame(0, { case: "ack", value });
}

/** Frames of that kind mean nothing here. */
export function unsupportedFrame(kind: number): Uint8Array {
  return encodeFrame(0, { case: "unsupported", value: create(UnsupportedSchema, { kind }) });
}
