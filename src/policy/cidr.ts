/** Blocks of addresses, IPv4 and IPv6, exactly. Pure. */

export interface Cidr {
  readonly family: 4 | 6;
  /** The first address of the block, as a number of 32 or 128 bits. */
  readonly base: bigint;
  /** How many leading bits are fixed. */
  readonly prefix: number;
}

const bitsOf = { 4: 32, 6: 128 } as const;

/**
 * `10.0.0.0/8`, `fd00::/8`. Undefined when it is none: also when an address has bits beyond the prefix, since then it is not
 * clear what was meant, and when IPv4 has leading zeros, which some read as octal.
 */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([0-9a-fA-F.:]{2,45})\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const address = match && parseAddress(match[1] ?? "");
  if (!address) return undefined;
  const prefix = Number(match[2]);
  const bits = bitsOf[address.family];
  if (prefix > bits) return undefined;
  const block = { family: address.family, base: address.base, prefix };
  return address.base % sizeOf(block) === 0n ? block : undefined;
}

/** One address as a block of its own. Undefined when it is none. */
export function parseAddress(text: string): Cidr | undefined {
  const base4 = parseV4(text);
  if (base4 !== undefined) return { family: 4, base: base4, prefix: 32 };
  const base6 = parseV6(text);
  return base6 === undefined ? undefined : { family: 6, base: base6, prefix: 128 };
}

/** Whether they are one, however each is written: IPv6 has many spellings. What is no address is like none. */
export function isSameAddress(one: string, other: string): boolean {
  const [a, b] = [parseAddress(one), parseAddress(other)];
  return a !== undefined && b !== undefined && a.family === b.family && a.base === b.base;
}

/** How many addresses it has. */
export function sizeOf({ family, prefix }: Pick<Cidr, "family" | "prefix">): bigint {
  return 1n << BigInt(bitsOf[family] - prefix);
}

/** Whether all addresses of `inner` are in `outer`, which may be the same. */
export function contains(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.prefix > inner.prefix) return false;
  const free = BigInt(bitsOf[outer.family] - outer.prefix);
  return outer.base >> free === inner.base >> free;
}

export function formatCidr({ family, base, prefix }: Cidr): string {
  return `${family === 4 ? formatV4(base) : formatV6(base)}/${prefix}`;
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)) {
    return undefined;
  }
  return parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => groupsOf(half, index === halves.length - 1));
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const after = tail ?? [];
  const missing = 8 - head.length - after.length;
  // Two colons stand for at least one group.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  return [...head, ...Array<bigint>(missing).fill(0n), ...after].reduce((sum, group) => (sum << 16n) | group, 0n);
}

/** Groups of 16 bits; the last of the address may be an IPv4 address, which is two of them. */
function groupsOf(text: string, isEnd: boolean): bigint[] | undefined {
  if (text === "") return [];
  const groups: bigint[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const v4 = isEnd && index === parts.length - 1 && part.includes(".") ? parseV4(part) : undefined;
    if (v4 !== undefined) groups.push(v4 >> 16n, v4 & 0xffffn);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

function formatV4(base: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (base >> shift) & 0xffn).join(".");
}

/** RFC 5952: the first of the longest runs of zeros is left out. */
function formatV6(base: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => ((base >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  const runs = [...groups.join(":").matchAll(/(?:^|:)(0(?::0)+)(?=:|$)/g)];
  const longest = runs.toSorted((a, b) => (b[1]?.length ?? 0) - (a[1]?.length ?? 0))[0];
  if (!longest) return groups.join(":");
  const text = groups.join(":");
  const before = text.slice(0, longest.index);
  return `${before}::${text.slice(longest.index + longest[0].length).replace(/^:/, "")}`;
}
