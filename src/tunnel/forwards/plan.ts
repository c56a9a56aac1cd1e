/** What a Forward asks for, read from how it is written. Pure. */
import type { Value } from "@bufbuild/protobuf/wkt";
import { parseDuration } from "../../base/duration.ts";
import { keyOf } from "../../kube/object.ts";
import type { Forward } from "../../kube/resources.ts";
import { readQuantity } from "../../policy/quantity.ts";
import { hasPorts, type NamedTarget, type PortName, parsePort, parseTarget } from "../../wire/target-text.ts";

export interface ForwardPlan {
  /** "namespace/name". */
  readonly key: string;
  readonly namespace: string;
  /** Also of the Service that is made. */
  readonly name: string;
  readonly uid: string;
  /** When it was made, RFC 3339. */
  readonly since: string;
  readonly peer: string;
  /** Reverse: what is here becomes a Service at the peer. */
  readonly direction: "Forward" | "Reverse";
  /** Without a port: each of the ports below has its own. */
  readonly target: ForwardTarget;
  readonly ports: readonly PlannedPort[];
  readonly use: UseRules;
}

/** What a Forward can lead to. */
export type ForwardTarget = Exclude<NamedTarget, { kind: "kubernetes" | "reverse" }>;

export interface PlannedPort {
  readonly name: string;
  /** Of the Service. */
  readonly port: number;
  /** Of the target; undefined for one without ports, and for what a route leads to by itself. */
  readonly targetPort: PortName | undefined;
  readonly appProtocol: string | undefined;
  /** UDP: what is spoken with it are datagrams. */
  readonly protocol: "TCP" | "UDP";
}

/** How the connections of a Forward are held. */
export interface UseRules {
  /** The most at a time. */
  readonly connections: number;
  /** Without a bound when undefined; so are those that follow. */
  readonly connectionsPerSecond: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly idleMs: number | undefined;
  /** Whether each begins with a header of the PROXY protocol, version 2. */
  readonly proxyProtocol: boolean;
}

/** Where a Forward does not say how many. Each is a socket of this process and a stream of the link. */
const ownConnections = 4_096;

/** `message` says what has to be changed; `field` where in the spec, if it is at one place there. */
export type Planned =
  | { readonly ok: true; readonly plan: ForwardPlan }
  | { readonly ok: false; readonly message: string; readonly field?: string };

export function planForward(forward: Forward): Planned {
  const { namespace = "", name = "", uid = "", creationTimestamp: since = "" } = forward.metadata;
  const { spec } = forward;
  const [problem] = forward.problems ?? [];
  if (problem !== undefined) return wrong(`${problem}.`);
  if (!/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
    return wrong(`"${name}" can be no Service's name: a letter first, then letters, digits and dashes, 63 in all.`);
  }
  const { peer = "", direction = "Forward", limits } = spec;
  if (direction !== "Forward" && direction !== "Reverse") return wrong("it is Forward or Reverse.", "direction");
  const target = (direction === "Forward" ? readTarget : readOwnTarget)(spec.target ?? "", namespace);
  if (typeof target === "string") return wrong(target, "target");
  const ports = readPorts(forward, target, direction === "Reverse");
  if (typeof ports === "string") return wrong(ports, "ports");
  const idleMs = spec.idle === undefined ? undefined : parseDuration(spec.idle);
  if (spec.idle !== undefined && !idleMs) return wrong("it is no length of time above 0, such as 30m.", "idle");
  const bytes = readQuantity(limits?.bytesPerSecond);
  if (limits?.bytesPerSecond !== undefined && (bytes === undefined || bytes <= 0n)) {
    return wrong("it is no amount above 0, such as 5M.", "limits.bytesPerSecond");
  }
  const use: UseRules = {
    connections: limits?.connections ?? ownConnections,
    connectionsPerSecond: limits?.connectionsPerSecond,
    bytesPerSecond: bytes === undefined ? undefined : Math.max(1, Number(bytes) / 1e9),
    idleMs,
    proxyProtocol: spec.proxyProtocol === "V2",
  };
  return { ok: true, plan: { key: keyOf(forward), namespace, name, uid, since, peer, direction, target, ports, use } };
}

/** Or what is wrong with it. Of this cluster a Forward refers to what is in its own namespace alone. */
function readTarget(text: string, namespace: string): ForwardTarget | string {
  const [kind = "", ...names] = text.split("/");
  const target = parseTarget(kind === "app" && names.length === 1 ? `app/${namespace}/${names[0]}` : text);
  if (
    !target ||
    target.kind === "kubernetes" ||
    target.kind === "reverse" ||
    (hasPorts(target) && (target.port !== undefined || target.network !== undefined))
  ) {
    return `"${text}" names nothing that a Forward leads to.`;
  }
  if (target.kind === "app" && target.namespace !== namespace) {
    return `"${text}" is in another namespace; a Forward refers to what is in its own.`;
  }
  return target;
}

/** What is offered to a peer: a Service of the Forward's own namespace. */
function readOwnTarget(text: string, namespace: string): ForwardTarget | string {
  const [kind = "", ...names] = text.split("/");
  const target = parseTarget(names.length === 1 ? `${kind}/${namespace}/${names[0]}` : text);
  if (target?.kind !== "service" || target.port !== undefined || target.network !== undefined) {
    return `"${text}" cannot be offered to a peer; a Service of this namespace can: service/NAME.`;
  }
  if (target.namespace === namespace) return target;
  return `"${text}" is in another namespace; a Forward refers to what is in its own.`;
}

function readPorts({ spec }: Forward, target: ForwardTarget, isOffer: boolean): PlannedPort[] | string {
  const ports: PlannedPort[] = [];
  for (const { name = "", port = 0, targetPort, appProtocol, protocol = "TCP" } of spec.ports) {
    if (parsePort(String(port)) !== port || name === "") return `"${name}" has no port from 1 to 65535.`;
    if (ports.some((other) => other.name === name)) return `there are two of the name ${name}.`;
    if (protocol !== "TCP" && protocol !== "UDP") return `protocol of ${name} is neither TCP nor UDP.`;
    if (ports.some((other) => other.port === port && other.protocol === protocol)) {
      return `there are two of the number ${port} and ${protocol}.`;
    }
    if (protocol === "UDP") {
      if (isOffer) return `${name} is of UDP; in reverse ports of TCP are offered alone.`;
      if (!hasPorts(target) || target.kind === "route") return `${target.kind} has no port of UDP, as ${name} is one.`;
      if (spec.proxyProtocol !== undefined) return `${name} is of UDP, and proxyProtocol is for connections alone.`;
    }
    const read = readPort(targetPort);
    if (read === false) return `targetPort of ${name} is neither a number from 1 to 65535 nor a port's name.`;
    if (!hasPorts(target)) {
      if (read !== undefined) return `${target.kind} has no ports, so ${name} can have no targetPort.`;
      ports.push({ name, port, targetPort: undefined, appProtocol, protocol });
      continue;
    }
    if ((target.kind === "address" || target.kind === "route") && typeof read === "string")
      return `targetPort of ${name} has to be a number.`;
    // The number of a route's Service is not what people know of a route: unless they say it, it is the one that it leads to.
    const unsaid = target.kind === "route" ? undefined : port;
    ports.push({ name, port, targetPort: read ?? unsaid, appProtocol, protocol });
  }
  return ports.length > 0 ? ports : "there are none.";
}

/** False for what is no port. */
function readPort(value: Value | undefined): PortName | undefined | false {
  if (value === undefined) return undefined;
  const { kind } = value;
  if (kind.case !== "numberValue" && kind.case !== "stringValue") return false;
  return parsePort(String(kind.value)) ?? false;
}

/** What is dialled for one of its ports. */
export function targetAt(
  target: ForwardTarget,
  { targetPort, protocol }: Pick<PlannedPort, "targetPort" | "protocol">,
): ForwardTarget {
  if (!hasPorts(target) || targetPort === undefined) return target;
  const network = protocol === "UDP" && ({ network: "udp" } as const);
  if (target.kind === "app" || target.kind === "service") return { ...target, port: targetPort, ...network };
  if (typeof targetPort !== "number") return target;
  return target.kind === "route" ? { ...target, port: targetPort } : { ...target, port: targetPort, ...network };
}

function wrong(message: string, field?: string): Planned {
  return { ok: false, message, ...(field !== undefined && { field }) };
}
