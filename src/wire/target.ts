/** Targets on the wire: what a dial names, from and to its message. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Network, type Port, type Target, TargetSchema } from "../gen/fairlead/wire/v1/target_pb.ts";
import {
  type AppTarget,
  hasPorts,
  isDatagrams,
  isHost,
  isNameOf,
  isNamespace,
  isNodeName,
  type NamedTarget,
  type PortName,
  parsePort,
  type ServiceTarget,
} from "./target-text.ts";

export type ReadTarget =
  | { readonly ok: true; readonly target: NamedTarget }
  | { readonly ok: false; readonly reason: "unsupported" | "malformed"; readonly message: string };

/** For the wire. */
export function writeTarget(target: NamedTarget): Target {
  return create(TargetSchema, { kind: kindOf(target), network: isDatagrams(target) ? Network.UDP : Network.TCP });
}

function kindOf(target: NamedTarget): NonNullable<MessageInitShape<typeof TargetSchema>["kind"]> {
  switch (target.kind) {
    case "app": {
      const { namespace, name, uid = "", port } = target;
      return { case: "workload", value: { namespace, name, uid, ...portOf(port) } };
    }
    case "service": {
      const { namespace, name, port } = target;
      return { case: "service", value: { namespace, name, ...portOf(port) } };
    }
    case "kubernetes":
      return { case: "kubernetes", value: {} };
    case "metrics":
      return { case: "metrics", value: {} };
    case "address":
      return { case: "address", value: { name: target.name, ...portOf(target.port) } };
    case "route":
      return { case: "route", value: { host: target.host, ...portOf(target.port) } };
    case "node":
      return { case: "node", value: { name: target.name } };
    case "reverse":
      return { case: "reverse", value: { uid: target.uid, port: target.port } };
  }
}

function portOf(port: PortName | undefined) {
  if (port === undefined) return {};
  return { port: { value: typeof port === "number" ? numberCase(port) : { case: "name" as const, value: port } } };
}

function numberCase(value: number) {
  return { case: "number" as const, value };
}

/** From the wire, which somebody else wrote: nothing in it is believed but as a name to look up. */
export function readTarget(target: Target): ReadTarget {
  const read = readKind(target);
  switch (target.network) {
    case Network.UNSPECIFIED:
    case Network.TCP:
      return read;
    case Network.UDP:
      if (!read.ok) return read;
      if (hasPorts(read.target) && read.target.kind !== "route")
        return { ok: true, target: { ...read.target, network: "udp" } };
      return refuse("unsupported", `Nobody speaks UDP with "${read.target.kind}".`);
    default:
      return refuse("unsupported", "This agent carries TCP and UDP, and does not know what else the dial asks for.");
  }
}

function readKind(target: Target): ReadTarget {
  switch (target.kind.case) {
    case "workload": {
      const { namespace, name, uid, port } = target.kind.value;
      const read = withPort("app", namespace, name, port);
      return read.ok && uid !== "" ? { ok: true, target: { ...read.target, kind: "app", uid } } : read;
    }
    case "service": {
      const { namespace, name, port } = target.kind.value;
      return withPort("service", namespace, name, port);
    }
    case "kubernetes":
      return { ok: true, target: { kind: "kubernetes" } };
    case "metrics":
      return { ok: true, target: { kind: "metrics" } };
    case "address":
      return readAddress(target.kind.value.name, target.kind.value.port);
    case "route":
      return readRoute(target.kind.value.host, target.kind.value.port);
    case "node": {
      const { name } = target.kind.value;
      if (!isNodeName(name)) return refuse("malformed", "The target's name cannot be that of a node.");
      return { ok: true, target: { kind: "node", name } };
    }
    case "reverse": {
      const { uid, port } = target.kind.value;
      if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/.test(uid) || !/^[a-z0-9][-a-z0-9]{0,62}$/.test(port)) {
        return refuse("malformed", "The target is no offer's UID with the name of a port.");
      }
      return { ok: true, target: { kind: "reverse", uid, port } };
    }
    default:
      return refuse("unsupported", "This agent does not know what that dial is for. It may be older than yours.");
  }
}

function withPort(
  kind: "app" | "service",
  namespace: string,
  name: string,
  message: Port | undefined,
): (ReadTarget & { ok: false }) | { ok: true; target: AppTarget | ServiceTarget } {
  if (!isNamespace(namespace) || !isNameOf(kind, name)) {
    return refuse("malformed", "The target's namespace or name cannot be one of Kubernetes'.");
  }
  const value = message?.value;
  if (value?.case === undefined) return { ok: true, target: { kind, namespace, name } };
  const port = parsePort(String(value.value));
  if (port === undefined) {
    return refuse("malformed", "The target's port is neither a number from 1 to 65535 nor a name.");
  }
  return { ok: true, target: { kind, namespace, name, port } };
}

function readAddress(name: string, message: Port | undefined): ReadTarget {
  const value = message?.value;
  const port = value?.case === undefined ? undefined : parsePort(String(value.value));
  if (!isNamespace(name) || typeof port === "string" || (value?.case !== undefined && port === undefined)) {
    return refuse("malformed", "The target is no name of an address with a port by its number.");
  }
  return { ok: true, target: { kind: "address", name, ...(port !== undefined && { port }) } };
}

function readRoute(host: string, message: Port | undefined): ReadTarget {
  const value = message?.value;
  const port = value?.case === undefined ? undefined : parsePort(String(value.value));
  if (!isHost(host) || typeof port === "string" || (value?.case !== undefined && port === undefined)) {
    return refuse("malformed", "The target is no host in lower case with a port by its number.");
  }
  return { ok: true, target: { kind: "route", host, ...(port !== undefined && { port }) } };
}

function refuse(reason: "unsupported" | "malformed", message: string): ReadTarget & { ok: false } {
  return { ok: false, reason, message };
}
