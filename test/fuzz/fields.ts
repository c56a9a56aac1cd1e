/** A message in protobuf encoding as its fields, as far as that can be known without its schema. */

/** A field with a whole number, one with what may be a message, or another that is left as it is. */
export type Field =
  | { readonly tag: Buffer; kind: "number"; value: bigint }
  | { readonly tag: Buffer; kind: "bytes"; value: Buffer; fields: Field[] | undefined }
  | { readonly tag: Buffer; kind: "other"; value: Buffer };

const empty = Buffer.alloc(0);

/** Undefined when it is no message, as a text seldom is. */
export function readFields(bytes: Buffer): Field[] | undefined {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    if (tag === undefined || tag.value < 8n) return undefined;
    const tagBytes = bytes.subarray(at, tag.end);
    const type = Number(tag.value & 7n);
    if (type === 0) {
      const number = readVarint(bytes, tag.end);
      if (number === undefined) return undefined;
      fields.push({ tag: tagBytes, kind: "number", value: number.value });
      at = number.end;
    } else if (type === 2) {
      const length = readVarint(bytes, tag.end);
      if (length === undefined || length.value > BigInt(bytes.length - length.end)) return undefined;
      at = length.end + Number(length.value);
      const value = bytes.subarray(length.end, at);
      fields.push({ tag: tagBytes, kind: "bytes", value, fields: value.length > 1 ? readFields(value) : undefined });
    } else if (type === 1 || type === 5) {
      at = tag.end + (type === 1 ? 8 : 4);
      if (at > bytes.length) return undefined;
      fields.push({ tag: tagBytes, kind: "other", value: bytes.subarray(tag.end, at) });
    } else {
      return undefined;
    }
  }
  return fields;
}

export function writeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field): Buffer[] => {
      if (field.kind === "number") return [field.tag, writeVarint(field.value)];
      if (field.kind === "other") return [field.tag, field.value];
      const value = field.fields === undefined ? field.value : writeFields(field.fields);
      return [field.tag, writeVarint(BigInt(value.length)), value];
    }),
  );
}

/** Each field, those of messages inside of it among them, with the list that it stands in. */
export function allFields(fields: Field[]): { field: Field; among: Field[] }[] {
  return fields.flatMap((field) => [
    { field, among: fields },
    ...(field.kind === "bytes" && field.fields !== undefined ? allFields(field.fields) : []),
  ]);
}

export function writeVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

/** With their length prefixes, as far as there are any; what is left at the end is the last one. */
export function splitFrames(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const prefix = readVarint(bytes, at);
    const end = prefix === undefined ? bytes.length : Math.min(bytes.length, prefix.end + Number(prefix.value));
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}

export function bodyOf(frame: Buffer): Buffer {
  const prefix = readVarint(frame, 0);
  return prefix === undefined ? empty : frame.subarray(prefix.end);
}

function readVarint(bytes: Buffer, from: number): { value: bigint; end: number } | undefined {
  let value = 0n;
  for (let at = from; at < Math.min(bytes.length, from + 10); at += 1) {
    const byte = bytes[at] ?? 0;
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - from));
    if (byte < 0x80) return { value, end: at + 1 };
  }
  return undefined;
}
