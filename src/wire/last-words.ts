import { create } from "@bufbuild/protobuf";
import { CloseSchema, DetachSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";
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
