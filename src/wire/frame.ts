/**
 * Frames as bytes. The header of a data frame, the hot path, is written by hand and its payload is sent from where it is; the bodies of
 * all others go through the generated codec. A test proves both to be the same format.
 */
import { toBinary } from "@bufbuild/protobuf";
import { type Frame, FrameSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";

/** One of the kinds that a frame can have, with its body. */
export type FrameKind = Exclude<Frame["kind"], { case: undefined }>;

/** The tag bytes of the fields that are read and written by hand: field number times 8, plus the wire type. */
export const streamTag = 0x08;
export const dataTag = 0x1a;
const lengthDelimited = 2;

/** Bytes before the payload of a data frame, at most: prefix 5, stream 1 + 8, data 1 + 5. */
export const maxDataHeaderBytes = 20;

/** The frame with its length prefix, ready to be sent: the generated codec writes the body, and what goes around it is written by hand. */
export function encodeFrame(stream: number, kind: FrameKind): Uint8Array {
  const { number } = FrameSchema.field[kind.case];
  const value = kindBytes(kind);
  const ofStream = stream === 0 ? 0 : 1 + varintLength(stream);
  const tag = number * 8 + lengthDelimited;
  const inner = ofStream + varintLength(tag) + varintLength(value.length);
  const body = inner + value.length;
  const prefix = varintLength(body);
  const bytes = Buffer.allocUnsafe(prefix + body);
  let at = writeVarint(bytes, 0, body);
  if (stream !== 0) {
    bytes[at++] = streamTag;
    at = writeVarint(bytes, at, stream);
  }
  at = writeVarint(bytes, at, tag);
  at = writeVarint(bytes, at, value.length);
  bytes.set(value, at);
  return bytes;
}

function kindBytes(kind: FrameKind): Uint8Array {
  if (kind.value instanceof Uint8Array) return kind.value;
  const field = FrameSchema.field[kind.case];
  if (field.fieldKind !== "message") throw new Error(`A ${kind.case} frame is no message.`);
  return toBinary(field.message, kind.value);
}

/** What comes before `dataBytes` bytes of payload to make them a data frame, length prefix included. */
export function encodeDataHeader(stream: number, dataBytes: number): Uint8Array {
  const inner = 1 + varintLength(stream) + 1 + varintLength(dataBytes);
  const body = inner + dataBytes;
  const prefix = varintLength(body);
  const bytes = Buffer.allocUnsafe(prefix + inner);
  let at = writeVarint(bytes, 0, body);
  bytes[at++] = streamTag;
  at = writeVarint(bytes, at, stream);
  bytes[at++] = dataTag;
  writeVarint(bytes, at, dataBytes);
  return bytes;
}

/** Whether frames of this kind are counted, acknowledged and replayed: the rule of frame.proto, also for unknown kinds. */
export function kindCounts(number: number): boolean {
  return (number >= 3 && number <= 15) || (number >= 32 && number <= 47);
}

/** Whether the kind belongs to a stream, as against the carrier or the session. */
export function kindIsOfStream(number: number): boolean {
  return (number >= 3 && number <= 15) || (number >= 48 && number <= 63);
}

/** The number of a frame's kind, known or not; 0 when it has none. */
export function kindNumber(frame: Frame): number {
  if (frame.kind.case !== undefined) return FrameSchema.field[frame.kind.case].number;
  let lowest = 0;
  for (const { no } of frame.$unknown ?? []) if (no >= 3 && no <= 63 && (lowest === 0 || no < lowest)) lowest = no;
  return lowest;
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length += 1;
  return length;
}

/** Returns the position behind the varint. Any whole number up to 2^53-1. */
function writeVarint(into: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest >= 128) {
    into[next++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  into[next++] = rest;
  return next;
}
