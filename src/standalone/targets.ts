/** What an agent without a cluster offers, as its configuration names it, and the PeerPolicies that say the same. Pure. */
import { isIP } from "node:net";
import { isJsonObject, type JsonObject } from "../kube/object.ts";

/** Something that listens here, or that is reached from here. */
export interface OfferedTarget {
  /** What peers call it. */
  readonly name: string;
  /** An address or a name in DNS, as this machine reaches it. */
  readonly host: string;
  /** At least one; the first is meant where a peer says none. */
  readonly ports: readonly number[];
  readonly protocol: Protocol;
  /** Our names of the peers that may reach it; `*` are all. */
  readonly peers: readonly string[];
}

const protocols = ["TCP", "UDP", "HTTP", "HTTPS", "H2C"] as const;
export type Protocol = (typeof protocols)[number];

const fields = ["name", "host", "port", "ports", "protocol", "peers"];
const everybody = "*";
const namePattern = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
/** As many as a PeerPolicy may list. */
const mostTargets = 256;
const mostPorts = 64;

/** Reads a list as JSON. Throws an Error that says what of it is wrong. */
export function readTargets(text: string): readonly OfferedTarget[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    list = undefined;
  }
  if (!Array.isArray(list)) throw new Error("must be a list, each with a name, a host, a port and peers");
  if (list.length > mostTargets) throw new Error(`must be ${mostTargets} at most`);
  const targets = list.map((one: unknown, index) => readTarget(one, `the ${index + 1}. of them`));
  for (const { name } of targets) {
    if (targets.filter((other) => other.name === name).length > 1) throw new Error(`there are two called ${name}`);
  }
  return targets;
}

/** For people: each with where it leads and for whom. */
export function describeTargets(targets: readonly OfferedTarget[]): string {
  const describe = ({ name, host, ports, protocol, peers }: OfferedTarget): string =>
    `${name}=${isIP(host) === 6 ? `[${host}]` : host}:${ports.join(",")}/${protocol} for ${peers.join(",") || "nobody"}`;
  return targets.map(describe).join("; ");
}

/** One for each peer that is named, with all that it may reach, since the policy that is closest to a peer says it alone. */
export function targetPolicies(targets: readonly OfferedTarget[]): { name: string; spec: JsonObject }[] {
  const named = new Set(targets.flatMap(({ peers }) => peers));
  return [...named].sort().map((peer) => {
    const isForAll = peer === everybody;
    const addresses = targets
      .filter(({ peers }) => peers.includes(peer) || peers.includes(everybody))
      .map(({ name, host, ports, protocol }) => {
        const isBare = protocol === "TCP" || protocol === "UDP";
        const spoken = isBare ? { protocol } : { protocol: "TCP", appProtocol: protocol.toLowerCase() };
        return { name, host, ports: [...ports], ...spoken };
      });
    return {
      name: isForAll ? "targets-of-all" : `targets-of-peer-${peer}`,
      spec: { ...(isForAll ? {} : { peers: { names: [peer] } }), tunnels: { addresses } },
    };
  });
}

function readTarget(said: unknown, which: string): OfferedTarget {
  if (!isJsonObject(said)) throw new Error(`${which} must have a name, a host, a port and peers`);
  const unknown = Object.keys(said).find((field) => !fields.includes(field));
  if (unknown !== undefined) throw new Error(`${which} has a field ${unknown}; there are ${fields.join(", ")}`);
  const {
    name,
    host = "127.0.0.1",
    port,
    ports = port === undefined ? [] : [port],
    protocol = "TCP",
    peers = [],
  } = said;
  if (typeof name !== "string" || !namePattern.test(name)) {
    throw new Error(`${which} needs a name of lower-case letters, digits and hyphens, 63 at most`);
  }
  if (typeof host !== "string" || !/^[\w.:-]{1,253}$/.test(host))
    throw new Error(`${name}: host is no name or address`);
  if (port !== undefined && said.ports !== undefined) throw new Error(`${name}: either port or ports`);
  const known = protocols.find((one) => one === protocol);
  if (known === undefined) throw new Error(`${name}: protocol must be one of ${protocols.join(", ")}`);
  if (!Array.isArray(peers) || !peers.every(isPeer)) {
    throw new Error(`${name}: peers must be a list of names of peers, or ["*"] for all`);
  }
  return { name, host, ports: readPorts(name, ports), protocol: known, peers: [...new Set(peers)] };
}

function readPorts(name: string, ports: unknown): number[] {
  const isFew = Array.isArray(ports) && ports.length > 0 && ports.length <= mostPorts;
  if (isFew && ports.every(isPort) && new Set(ports).size === ports.length) return ports;
  throw new Error(`${name}: ports must be 1 to ${mostPorts} numbers from 1 to 65535, each once`);
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65_535;
}

function isPeer(value: unknown): value is string {
  return value === everybody || (typeof value === "string" && namePattern.test(value));
}
