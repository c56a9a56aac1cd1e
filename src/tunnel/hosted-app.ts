import { type AppPort, findPort, listPorts } from "./app-port.ts";
import { type AppTarget, formatTarget } from "./target.ts";

/** An app that a peer runs here, as far as reaching it goes. */
export interface HostedApp {
  /** The Service in front of its pods, in the namespace that is the peer's own. */
  readonly service: { readonly namespace: string; readonly name: string };
  readonly ports: readonly AppPort[];
  /**
   * Whether it is known to work, and if not, why. It is dialled all the same, because one ready pod of three is enough and
   * news may be late; this says why when nobody answers.
   */
  readonly ready: boolean;
  readonly message: string;
}

/** The host's answer to an open, before anything is dialled. */
export type ExitDecision =
  | { readonly ok: true; readonly app: HostedApp; readonly port: AppPort }
  | { readonly ok: false; readonly reason: "not-found" | "denied"; readonly message: string };

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
  if (!app) {
    const { namespace, name } = target;
    return { ok: false, reason: "not-found", message: `No app of yours called ${namespace}/${name} runs here.` };
  }
  const port = findPort(app.ports, target.port);
  if (!port) {
    const asked = target.port === undefined ? "any port" : `port ${target.port}`;
    const message = `The app ${formatTarget({ namespace: target.namespace, name: target.name })} does not declare ${asked}; its ports: ${listPorts(app.ports)}.`;
    return { ok: false, reason: "not-found", message };
  }
  return { ok: true, app, port };
}
