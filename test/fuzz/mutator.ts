/** Spoils bytes as line noise, defects and attackers do: one chance, one way. It knows frames, and fields in them, and none by its name. */
import type { Random } from "../faults/simulation/random.ts";
import { allFields, bodyOf, readFields, splitFrames, writeFields, writeVarint } from "./fields.ts";

/** Numbers at which codes go wrong: bounds of types, of limits, and one beyond. */
const interesting: readonly bigint[] = [
  0n,
  1n,
  2n ** 7n - 1n,
  2n ** 7n,
  2n ** 14n,
  65_535n,
  65_536n,
  131_072n,
  131_073n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];
/** What a spoiled input may grow to, in bytes. */
const longest = 300_000;
/** Changes to one input, at most. */
const mostChanges = 6;

type Change = (bytes: Buffer, random: Random, other: Buffer) => Buffer;

/** Changes to bytes of any kind. */
const byteChanges: readonly [Change, ...Change[]] = [
  function flip(bytes, random) {
    const at = random.between(0, bytes.length - 1);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.between(0, 7));
    return bytes;
  },
  function put(bytes, random) {
    bytes[random.between(0, bytes.length - 1)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.between(0, 255)]);
    return bytes;
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, random.between(0, bytes.length));
  },
  function leaveOut(bytes, random) {
    const [from, to] = range(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  function duplicate(bytes, random) {
    const [from, to] = range(bytes, random);
    const times = random.magnitude(1, 50);
    return Buffer.concat([
      bytes.subarray(0, to),
      ...Array<Buffer>(times).fill(bytes.subarray(from, to)),
      bytes.subarray(to),
    ]);
  },
  function splice(bytes, random, other) {
    const [from, to] = range(other, random);
    const at = random.between(0, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), other.subarray(from, to), bytes.subarray(at)]);
  },
  function putNumber(bytes, random) {
    const at = random.between(0, bytes.length);
    const number = random.pick([writeVarint, fixed])(pickNumber(random), random);
    return Buffer.concat([bytes.subarray(0, at), number, bytes.subarray(at + random.between(0, number.length))]);
  },
];

/** Changes to whole frames, so that more than the first one is looked at. */
const frameChanges: readonly [Change, ...Change[]] = [
  // Most of what can be wrong is wrong with one value.
  changeField,
  changeField,
  changeField,
  changeField,
  function swap(bytes, random) {
    return overFrames(bytes, (frames) => {
      const [a, b] = [pickIndex(frames, random), pickIndex(frames, random)];
      [frames[a], frames[b]] = [frames[b] ?? empty, frames[a] ?? empty];
    });
  },
  function drop(bytes, random) {
    return overFrames(bytes, (frames) => void frames.splice(pickIndex(frames, random), 1));
  },
  function repeat(bytes, random) {
    return overFrames(bytes, (frames) => {
      const at = pickIndex(frames, random);
      frames.splice(at, 0, ...Array<Buffer>(random.magnitude(1, 300)).fill(frames[at] ?? empty));
    });
  },
  function borrow(bytes, random, other) {
    const theirs = splitFrames(other);
    return overFrames(bytes, (frames) => {
      frames.splice(pickIndex(frames, random), 0, theirs[pickIndex(theirs, random)] ?? empty);
    });
  },
  function lieAboutLength(bytes, random) {
    return overFrames(bytes, (frames) => {
      const at = pickIndex(frames, random);
      const body = bodyOf(frames[at] ?? empty);
      const lie = random.chance(0.5) ? pickNumber(random) : BigInt(Math.max(0, body.length + random.between(-3, 3)));
      frames[at] = Buffer.concat([writeVarint(lie), body]);
    });
  },
  function spoilOne(bytes, random, other) {
    return overFrames(bytes, (frames) => {
      const at = pickIndex(frames, random);
      const spoiled = change(random.pick(byteChanges), Buffer.from(bodyOf(frames[at] ?? empty)), random, other);
      frames[at] = Buffer.concat([writeVarint(BigInt(spoiled.length)), spoiled]);
    });
  },
];

const empty = Buffer.alloc(0);

/** Some changes to `bytes`, which are left as they are; `other` is something to borrow from. */
export function mutate(bytes: Buffer, random: Random, other: Buffer, framed: boolean): Buffer {
  let result: Buffer = Buffer.from(bytes);
  for (let left = random.magnitude(1, mostChanges); left > 0; left -= 1) {
    const how = framed && random.chance(0.85) ? random.pick(frameChanges) : random.pick(byteChanges);
    result = change(how, result, random, other);
  }
  return result;
}

/** The same bytes in pieces: often a frame at a time, sometimes all at once, sometimes each by itself. */
export function cut(bytes: Buffer, random: Random): Buffer[] {
  const how = random.next();
  if (how < 0.5) return splitFrames(bytes);
  const size = how < 0.7 ? bytes.length : random.magnitude(1, 4_096);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += Math.max(1, size)) pieces.push(bytes.subarray(at, at + Math.max(1, size)));
  return pieces;
}

/** One field of one frame, at any depth, in a frame that is whole otherwise. */
function changeField(bytes: Buffer, random: Random, other: Buffer): Buffer {
  return overFrames(bytes, (frames) => {
    const at = pickIndex(frames, random);
    const fields = readFields(bodyOf(frames[at] ?? empty)) ?? [];
    const all = allFields(fields);
    const chosen = all[pickIndex(all, random)];
    if (chosen === undefined) return;
    const { field, among } = chosen;
    const what = random.next();
    if (what < 0.15) among.splice(among.indexOf(field), 1);
    else if (what < 0.3) among.push(field);
    else if (field.kind === "number") field.value = random.chance(0.5) ? pickNumber(random) : field.value + 1n;
    else if (field.kind === "bytes" && field.fields === undefined) {
      field.value = change(random.pick(byteChanges), Buffer.from(field.value), random, other);
    }
    const body = writeFields(fields);
    frames[at] = Buffer.concat([writeVarint(BigInt(body.length)), body]);
  });
}

function change(how: Change, bytes: Buffer, random: Random, other: Buffer): Buffer {
  const changed = bytes.length === 0 ? bytes : how(bytes, random, other);
  return Buffer.from(changed.subarray(0, longest));
}

function range(bytes: Buffer, random: Random): [number, number] {
  const from = random.between(0, Math.max(0, bytes.length - 1));
  return [from, Math.min(bytes.length, from + random.magnitude(1, 64))];
}

function pickNumber(random: Random): bigint {
  return interesting[random.between(0, interesting.length - 1)] ?? 0n;
}

function pickIndex(list: readonly unknown[], random: Random): number {
  return random.between(0, Math.max(0, list.length - 1));
}

function fixed(value: bigint, random: Random): Buffer {
  const bytes = Buffer.alloc(8);
  if (random.chance(0.5)) bytes.writeBigUInt64BE(value);
  else bytes.writeBigUInt64LE(value);
  return bytes.subarray(0, random.pick([2, 4, 8]));
}

function overFrames(bytes: Buffer, edit: (frames: Buffer[]) => void): Buffer {
  const frames = splitFrames(bytes);
  edit(frames);
  return Buffer.concat(frames);
}
