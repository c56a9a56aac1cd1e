/** What a dial names, and how people write it. Pure text: nothing here is looked up. */

/** A port by its number, 1 to 65,535, or by its name. */
export type PortName = number | string;

export interface AppTarget {
  readonly kind: "app";
  /** Where its RemoteApp lives at the origin. */
  readonly namespace: string;
  readonly name: string;
  /** If given, only that very RemoteApp will do, and not a later one by the same name. */
  readonly uid?: string;
  /** The first port unless given. */
  readonly port?: PortName;
}

export interface ServiceTarget {
  readonly kind: "service";
  readonly namespace: string;
  readonly name: string;
  /** The first port unless given. */
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
export interface AddressTarget {
  readonly kind: "address";
  readonly name: string;
  /** By its number; the first that the policy lists unless given. */
  readonly port?: number;
}

/** What a dial can reach at a peer: a thing by its name, never an address. */
export type NamedTarget = AppTarget | ServiceTarget | KubernetesTarget | MetricsTarget | AddressTarget;

/** What has ports. */
export type PortedTarget = AppTarget | ServiceTarget | AddressTarget;

export function hasPorts(target: NamedTarget): target is PortedTarget {
  return target.kind === "app" || target.kind === "service" || target.kind === "address";
}

/** What a target is called in decisions, the inbox and the audit: `app/shop/web`, whose ports are one target; `service/shop/db:5432`; `kubernetes`. */
export function targetName(target: NamedTarget): string {
  if (target.kind !== "app") return targetText(target);
  return `app/${target.namespace}/${target.name}`;
}

/** With the port, as {@link parseTarget} reads it: `app/shop/web:http`. */
export function targetText(target: NamedTarget): string {
  if (!hasPorts(target)) return target.kind;
  const port = target.port === undefined ? "" : `:${target.port}`;
  if (target.kind === "address") return `address/${target.name}${port}`;
  return `${target.kind}/${target.namespace}/${target.name}${port}`;
}

/** Undefined for what names nothing. `svc/` is read as `service/`. */
export function parseTarget(text: string): NamedTarget | undefined {
  if (text === "kubernetes" || text === "metrics") return { kind: text };
  if (text.startsWith("address/")) return parseAddress(text);
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

/** What can be the name of an app or a Service. */
export function isNameOf(kind: "app" | "service", text: string): boolean {
  if (kind === "service") return isNamespace(text);
  return text.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text);
}
