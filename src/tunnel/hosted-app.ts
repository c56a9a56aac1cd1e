import type { ReachPermission } from "../policy/reach.ts";
import type { AppTarget } from "../wire/target-text.ts";
import { type AppPort, findPort, listPorts, portsOf } from "./app-port.ts";

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

/** Which app and port a target means. */
export type ExitDecision =
  | { readonly ok: true; readonly app: HostedApp; readonly port: AppPort }
  | { readonly ok: false; readonly message: string };

/** What the host's rules say about one open. `rule` names the rule that spoke. */
export type Permission = ReachPermission;

/**
 * Pure. `app` was looked up among the caller's own, so that what is another's is the same as nothing. Who may not connect
 * is refused before: they are not told what is there.
 */
export function decideExit(target: AppTarget, app: HostedApp | undefined): ExitDecision {
  if (!app) {
    const { namespace, name } = target;
    return { ok: false, message: `No app of yours called ${namespace}/${name} runs here.` };
  }
  const port = findPort(portsOf(app.ports, target.network), target.port);
  if (!port) {
    const kind = target.network === "udp" ? "UDP port" : "port";
    const asked = target.port === undefined ? `any ${kind}` : `${kind} ${target.port}`;
    const message = `The app ${target.namespace}/${target.name} does not declare ${asked}; its ports: ${listPorts(app.ports)}.`;
    return { ok: false, message };
  }
  return { ok: true, app, port };
}
