/** What routes into the cluster say of each of their hosts: which Services it leads to. Read from JSON as others wrote it. Pure. */
import { isJsonObject, type JsonObject, type JsonValue } from "./object.ts";

export const routeKinds = ["Ingress", "HTTPRoute", "TLSRoute", "TCPRoute"] as const;
export type RouteKind = (typeof routeKinds)[number];

/** One host of one route. */
export interface RouteEntry {
  readonly kind: RouteKind;
  readonly namespace: string;
  readonly name: string;
  /** In lower case; may begin with `*.`. Of a TCPRoute, which has none, `<name>.<namespace>`. */
  readonly host: string;
  /** Services of the same namespace, each once. */
  readonly backends: readonly RouteBackend[];
  /** Why it cannot be gone this way, as the end of "the host …". */
  readonly problem?: string;
}

export interface RouteBackend {
  readonly service: string;
  readonly port: number | string;
}

/** Of an object of that kind; hosts that it does not say, as of an Ingress for all of them, have no name to be reached by. */
export function readRoute(kind: RouteKind, object: JsonObject): RouteEntry[] {
  const { name, namespace } = objectOf(object.metadata);
  if (typeof name !== "string" || typeof namespace !== "string") return [];
  const spec = objectOf(object.spec);
  const route = { kind, namespace, name };
  if (kind === "Ingress") return readIngress(route, spec);
  const hosts = kind === "TCPRoute" ? [`${name}.${namespace}`] : textsOf(spec.hostnames);
  const led = readRules(spec, namespace);
  return hosts.map((host) => ({ ...route, host: host.toLowerCase(), ...led }));
}

type Led = Pick<RouteEntry, "backends" | "problem">;

function readIngress(route: Pick<RouteEntry, "kind" | "namespace" | "name">, spec: JsonObject): RouteEntry[] {
  const byHost = new Map<string, JsonObject[]>();
  for (const rule of listOf(spec.rules)) {
    if (typeof rule.host !== "string" || rule.host === "") continue;
    const host = rule.host.toLowerCase();
    byHost.set(host, [...(byHost.get(host) ?? []), rule]);
  }
  const rest = isJsonObject(spec.defaultBackend) ? [spec.defaultBackend] : [];
  return [...byHost].map(([host, rules]) => {
    const paths = rules.flatMap((rule) => listOf(objectOf(rule.http).paths));
    const takesAll = paths.some(({ path, pathType }) => (path ?? "/") === "/" && pathType !== "Exact");
    const backends = [...paths.map(({ backend }) => objectOf(backend)), ...(takesAll ? [] : rest)];
    return { ...route, host, ...led(backends.map(ingressBackend)) };
  });
}

function ingressBackend({ service }: JsonObject): RouteBackend | string {
  const { name, port } = objectOf(service);
  const { number, name: portName } = objectOf(port);
  const said = typeof number === "number" && number > 0 ? number : portName;
  if (typeof name === "string" && (typeof said === "number" || typeof said === "string")) {
    return { service: name, port: said };
  }
  return "leads to something else than a Service";
}

/** Of the kinds of the Gateway API, which are alike in this. */
function readRules(spec: JsonObject, namespace: string): Led {
  const found = listOf(spec.rules).flatMap((rule): (RouteBackend | string)[] => {
    const refs = listOf(rule.backendRefs).filter(({ weight }) => weight !== 0);
    // What sends elsewhere, or answers by itself, has nothing behind it.
    if (refs.length === 0) return [];
    const filters = [rule, ...refs].flatMap((one) => listOf(one.filters));
    if (filters.length > 0) return ["has requests changed by filters of its gateway, which are not in this way"];
    return refs.map((ref) => gatewayBackend(ref, namespace));
  });
  return led(found);
}

function gatewayBackend({ group, kind, name, namespace, port }: JsonObject, own: string): RouteBackend | string {
  if (
    (group ?? "") !== "" ||
    (kind ?? "Service") !== "Service" ||
    typeof name !== "string" ||
    typeof port !== "number"
  ) {
    return "leads to something else than a port of a Service";
  }
  // A ReferenceGrant is for the gateway. A policy that means the other Service can name it.
  if ((namespace ?? own) !== own) return "leads to a Service of another namespace, which a policy can name by itself";
  return { service: name, port };
}

function led(found: readonly (RouteBackend | string)[]): Led {
  const problem = found.find((one) => typeof one === "string");
  const backends = new Map<string, RouteBackend>();
  for (const one of found) if (typeof one !== "string") backends.set(`${one.service}:${one.port}`, one);
  return { backends: [...backends.values()], ...(problem !== undefined && { problem }) };
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function listOf(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function textsOf(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}
