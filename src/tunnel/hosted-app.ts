import { type AppPort, findPort, listPorts } from "./app-port.ts";
import { type AppTarget, formatTarget } from "./target.ts";

/** An app that a peer runs here, as far as reaching it goes. */
export interface HostedApp {
  /** UID of the RemoteApp at its origin. */
  readonly uid: string;
  /** The Service in front of its pods, in the namespace that is the peer's own. */
  readonly service: { readonly namespace: string; readonly name: string };
  readonly ports: readonly AppPort[];
  /** Whether some pod of it can take connections, and, if none can, why. One ready replica of three is enough. */
  readonly readiness: { readonly ready: true } | { readonly ready: false; readonly reason: string };
}

/** The host's answer to an open, before anything is dialled. */
export type ExitDecision =
  | { readonly ok: true; readonly app: HostedApp; readonly port: AppPort }
  | { readonly ok: false; readonly reason: "not-found" | "denied" | "not-ready"; readonly message: string };

/** What a policy says about one open. `rule` names the rule that spoke. */
export type Permission =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly rule: string; readonly message: string };

/**
 * Pure. `app` was looked up among the caller's own, so that what is another's is the same as nothing. The permission is
 * judged first: someone who may not connect is not told what is there.
 */
export function decideExit(target: AppTarget, permission: Permission, app: HostedApp | undefined): ExitDecision {
  if (!permission.allowed) {
    return { ok: false, reason: "denied", message: `${permission.message} (rule: ${permission.rule})` };
  }
  if (!app || (target.uid !== undefined && target.uid !== app.uid)) {
    const { namespace, name } = target;
    return { ok: false, reason: "not-found", message: `No app of yours called ${namespace}/${name} runs here.` };
  }
  const port = findPort(app.ports, target.port);
  if (!port) {
    const asked = target.port === undefined ? "any port" : `port ${target.port}`;
    const message = `The app ${formatTarget({ namespace: target.namespace, name: target.name })} does not declare ${asked}; its ports: ${listPorts(app.ports)}.`;
    return { ok: false, reason: "not-found", message };
  }
  if (!app.readiness.ready) return { ok: false, reason: "not-ready", message: app.readiness.reason };
  return { ok: true, app, port };
}
