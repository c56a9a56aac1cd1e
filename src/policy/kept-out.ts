/** Addresses to which no peer is led, whatever a Service, a route or a name in DNS says. Pure. */
import { type Cidr, contains, parseAddress, parseCidr } from "./cidr.ts";

/**
 * The agent's own machine and pod, node metadata and whatever else answers on a link of its own, and what is no address of one
 * machine. IPv4 in IPv6's clothes is on no wire, but sockets take it for what it wears.
 */
const never = blocks(
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "100.100.100.200/32",
  "192.0.0.192/32",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/96",
  "::ffff:0:0/96",
  "fe80::/10",
  "ff00::/8",
  "fd00:ec2::254/128",
);

/** What a NAT64 gateway sends on to the IPv4 address in the last bits (RFC 6052). */
const nat64 = blocks("64:ff9b::/96");

const loopback = blocks("127.0.0.0/8", "::1/128");

/** Whether it is an address of the very machine. */
export function isLoopback(address: string): boolean {
  const one = parseAddress(address);
  return one !== undefined && loopback.some((block) => contains(block, one));
}

/** Also true for what is no address. */
export function isKeptOut(address: string): boolean {
  const one = parseAddress(address);
  if (!one) return true;
  return isNever(one) || (nat64.some((block) => contains(block, one)) && isNever(lastBits(one)));
}

function isNever(one: Cidr): boolean {
  return never.some((block) => contains(block, one));
}

function lastBits({ base }: Cidr): Cidr {
  return { family: 4, base: base & 0xffff_ffffn, prefix: 32 };
}

function blocks(...texts: readonly string[]): readonly Cidr[] {
  return texts.flatMap((text) => parseCidr(text) ?? []);
}
