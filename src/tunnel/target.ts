/**
 * What a dial names: an app by the origin's namespace and name, and one of its ports. Never an address: the end that is
 * asked resolves it, for the caller that the link proves.
 */
import { create } from "@bufbuild/protobuf";
import { Network, type Target, TargetSchema } from "../gen/fairlead/wire/v1/target_pb.ts";
import { targetName } from "../policy/reach.ts";
import { type PortChoice, parsePort } from "./app-port.ts";

/** A port of an app, as its origin names it. */
export interface AppTarget {
  /** Where its RemoteApp lives at the origin. */
  readonly namespace: string;
  readonly name: string;
  /** If given, only that very RemoteApp will do, and not a later one by the same name. */
  readonly uid?: string;
  /** The first port unless given. */
  readonly port?: number | string;
}

export type ReadTarget =
  | { readonly ok: true; readonly target: AppTarget }
  | { readonly ok: false; readonly reason: "unsupported" | "malformed"; readonly message: string };

/** For the wire. */
export function writeTarget(target: AppTarget): Target {
  const port = portMessage(target.port);
  return create(TargetSchema, {
    kind: {
      case: "workload",
      value: { namespace: target.namespace, name: target.name, uid: target.uid ?? "", ...(port && { port }) },
    },
    network: Network.TCP,
  });
}

/** From the wire, which a peer wrote: nothing in it is believed but as a name to look up among that peer's own. */
export function readTarget(target: Target): ReadTarget {
  if (target.network !== Network.UNSPECIFIED && target.network !== Network.TCP) {
    return refuse("unsupported", "This agent carries TCP only; datagrams are not offered.");
  }
  if (target.kind.case !== "workload") {
    return refuse("unsupported", "This agent lets peers reach their own apps only, no Services and no Kubernetes API.");
  }
  const { namespace, name, uid, port } = target.kind.value;
  if (!isName(namespace, 63) || !isName(name, 253)) {
    return refuse("malformed", "The target's namespace or name cannot be one of Kubernetes'.");
  }
  const choice = readPort(port?.value);
  if (choice === false) return refuse("malformed", "The target's port is neither a number from 1 to 65535 nor a name.");
  return {
    ok: true,
    target: { namespace, name, ...(uid !== "" && { uid }), ...(choice !== undefined && { port: choice }) },
  };
}

/** "shop/web:http", or "shop/web" without a port. */
export function formatTarget(target: AppTarget): string {
  const port = target.port === undefined ? "" : `:${target.port}`;
  return `${target.namespace}/${target.name}${port}`;
}

/** What people, decisions and records call it: "app/shop/web". Its ports are one target. */
export function nameOf({ namespace, name }: AppTarget): string {
  return targetName({ kind: "app", namespace, name });
}

function refuse(reason: "unsupported" | "malformed", message: string): ReadTarget {
  return { ok: false, reason, message };
}

function isName(text: string, longest: number): boolean {
  return text.length <= longest && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text);
}

function portMessage(port: PortChoice) {
  if (port === undefined) return undefined;
  return { value: typeof port === "number" ? numberCase(port) : { case: "name" as const, value: port } };
}

function numberCase(value: number) {
  return { case: "number" as const, value };
}

/** False for what cannot be a port. */
function readPort(
  value: { case: "number"; value: number } | { case: "name"; value: string } | UnsetCase,
): PortChoice | false {
  if (value?.case === undefined) return undefined;
  return parsePort(String(value.value)) ?? false;
}

type UnsetCase = { case: undefined; value?: undefined } | undefined;
