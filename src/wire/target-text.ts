/** What a dial names, and how people write it. Pure text: nothing here is looked up. */

/** A port by its number, 1 to 65,535, or by its name. */
export type PortName = number | string;

/** What is spoken with a port: datagrams when it says so, else TCP. A port of the one is none of the other, also by the same number. */
interface Spoken {
  readonly network?: "udp";
}

export interface AppTarget extends Spoken {
  readonly kind: "app";
  /** Where its RemoteApp lives at the origin. */
  readonly namespace: string;
  readonly name: string;
  /** If given, only that very RemoteApp will do, and not a later one by the same name. */
  readonly uid?: string;
  /** The first port of its network unless given. */
  readonly port?: PortName;
}

export interface ServiceTarget extends Spoken {
  readonly kind: "service";
  readonly namespace: string;
  readonly name: string;
  /** The first port of its network unless given. */
  readonly port?: PortName;
}

export interface KubernetesTarget {
  readonly kind: "kubernetes";
}

/** What the peer's agent tells of itself. */
export interface MetricsTarget {
  readonly kind: "metrics";
}

/** An address that the peer's policy lists by a name. */
export interface AddressTarget extends Spoken {
  readonly kind: "address";
  readonly name: string;
  /** By its number; the first that the policy lists unless given. */
  readonly port?: number;
}

/** A host of routes into the peer's cluster, for the Service that they lead to. */
export interface RouteTarget {
  readonly kind: "route";
  /** No datagrams. */
  readonly network?: undefined;
  /** In lower case; may begin with `*.`, as a route's does. */
  readonly host: string;
  /** Of the Service, by its number; the one that the route leads to unless given. */
  readonly port?: number;
  /** Where the host has found the route, and so the Service; never said by who dials. */
  readonly namespace?: string;
}

/** What the kubelet of a node of the peer's cluster tells. */
export interface NodeTarget {
  readonly kind: "node";
  readonly name: string;
  /** As the host has found them; never said by who dials. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** A port that the end that is asked has offered, and offers still. No person names it. */
export interface ReverseTarget {
  readonly kind: "reverse";
  /** No datagrams. */
  readonly network?: undefined;
  /** The offer's. */
  readonly uid: string;
  /** The offer's name for the port. */
  readonly port: string;
  /** Where the host has found that it leads; never said by who dials. */
  readonly service?: ServiceTarget;
}

/** What a dial can reach at a peer: a thing by its name, never an address. */
export type NamedTarget =
  | AppTarget
  | ServiceTarget
  | KubernetesTarget
  | MetricsTarget
  | AddressTarget
  | RouteTarget
  | NodeTarget
  | ReverseTarget;

/** What has ports. */
export type PortedTarget = AppTarget | ServiceTarget | AddressTarget | RouteTarget;

export function hasPorts(target: NamedTarget): target is PortedTarget {
  return target.kind === "app" || target.kind === "service" || target.kind === "address" || target.kind === "route";
}

/** What is reached by datagrams. */
export type DatagramTarget = PortedTarget & { readonly network: "udp" };

export function isDatagrams(target: NamedTarget): target is DatagramTarget {
  return hasPorts(target) && target.network === "udp";
}

/** What a target is called in decisions, the inbox and the audit: `app/shop/web`, whose ports are one target; `service/shop/dns:53/udp`; `kubernetes`. */
export function targetName(target: NamedTarget): string {
  if (target.kind !== "app") return targetText(target);
  return `app/${target.namespace}/${target.name}`;
}

/** With the port, as {@link parseTarget} reads it: `app/shop/web:http`, `service/shop/dns:53/udp`. What is offered in reverse it reads not. */
export function targetText(target: NamedTarget): string {
  if (target.kind === "reverse") return `reverse/${target.uid}:${target.port}`;
  if (target.kind === "node") return `node/${target.name}`;
  if (!hasPorts(target)) return target.kind;
  const port = `${target.port === undefined ? "" : `:${target.port}`}${target.network === "udp" ? "/udp" : ""}`;
  if (target.kind === "address") return `address/${target.name}${port}`;
  if (target.kind === "route") return `route/${target.host}${port}`;
  return `${target.kind}/${target.namespace}/${target.name}${port}`;
}

/** Undefined for what names nothing. `svc/` is read as `service/`, and what ends with `/tcp` is as without it. */
export function parseTarget(text: string): NamedTarget | undefined {
  if (text === "kubernetes" || text === "metrics") return { kind: text };
  if (text.startsWith("route/")) return parseRoute(text);
  if (text.startsWith("node/")) return parseNode(text.slice("node/".length));
  // Behind a port, or behind all parts of a name, so that a Service may be called "udp".
  const [, plain = "", spoken] = /^(address\/[^/]*|[^/]*\/[^/]*\/[^/]*)(?:\/(udp|tcp))?$/.exec(text) ?? [];
  const target = plain.startsWith("address/") ? parseAddress(plain) : parseNamespaced(plain);
  return target && spoken === "udp" ? { ...target, network: spoken } : target;
}

function parseNamespaced(text: string): AppTarget | ServiceTarget | undefined {
  const [, word = "", namespace = "", name = "", , written] =
    /^(app|service|svc)\/([^/:]*)\/([^/:]*)(:([^/:]*))?$/.exec(text) ?? [];
  const port = written === undefined ? undefined : parsePort(written);
  const kind = word === "app" ? "app" : "service";
  if (word === "" || !isNamespace(namespace) || !isNameOf(kind, name)) return undefined;
  if (written !== undefined && port === undefined) return undefined;
  return { kind, namespace, name, ...(port !== undefined && { port }) };
}

function parseAddress(text: string): AddressTarget | undefined {
  const [, name = "", , written] = /^address\/([^/:]*)(:([^/:]*))?$/.exec(text) ?? [];
  const port = written === undefined ? undefined : parsePort(written);
  if (!isNamespace(name) || typeof port === "string") return undefined;
  if (written !== undefined && port === undefined) return undefined;
  return { kind: "address", name, ...(port !== undefined && { port }) };
}

function parseRoute(text: string): RouteTarget | undefined {
  const [, written = "", , number] = /^route\/([^/:]*)(:([^/:]*))?$/.exec(text) ?? [];
  const host = written.toLowerCase();
  const port = number === undefined ? undefined : parsePort(number);
  if (!isHost(host) || typeof port === "string") return undefined;
  if (number !== undefined && port === undefined) return undefined;
  return { kind: "route", host, ...(port !== undefined && { port }) };
}

function parseNode(name: string): NodeTarget | undefined {
  return isNodeName(name) ? { kind: "node", name } : undefined;
}

/** "8080" is a number and "web" a name; undefined for what can be neither, such as "0" or "Web!". */
export function parsePort(text: string): PortName | undefined {
  if (/^[0-9]+$/.test(text)) {
    const number = Number(text);
    return number >= 1 && number <= 65_535 && String(number) === text ? number : undefined;
  }
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text) ? text : undefined;
}

/** A namespace's name, and a Service's, as Kubernetes has them. */
export function isNamespace(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text);
}

/** A host as routes have them: a name in DNS in lower case, whose first part may be a star; no address. */
export function isHost(text: string): boolean {
  if (/(^|\.)[0-9]+$/.test(text)) return false;
  return (
    text.length <= 253 &&
    /^(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/.test(text)
  );
}

/** What can be the name of a node, or of most other things in Kubernetes. */
export function isNodeName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text);
}

/** What can be the name of an app or a Service. */
export function isNameOf(kind: "app" | "service", text: string): boolean {
  if (kind === "service") return isNamespace(text);
  return isNodeName(text);
}
