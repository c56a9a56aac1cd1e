/** The way to the ports of apps that the caller runs here. */
import type { Clock } from "../base/clock.ts";
import { type CloseReason, Reason } from "../wire/reason.ts";
import type { AppTarget } from "../wire/target-text.ts";
import {
  type Connected,
  connectDatagrams,
  connectService,
  type DatagramServiceDialer,
  type ServiceDialer,
} from "./connect-service.ts";
import { decideExit, type HostedApp } from "./hosted-app.ts";
import { refusalOf } from "./refusal.ts";
import { noDatagramsHere, type Way } from "./way.ts";

export interface AppWayDeps {
  /** An app among those that the peer with this fingerprint runs here, never another's; that very one, if a uid is given. */
  findApp(fingerprint: string, app: { namespace: string; name: string; uid?: string }): HostedApp | undefined;
  dialService: ServiceDialer;
  /** Without it no app is reached by datagrams. */
  dialServiceDatagrams?: DatagramServiceDialer;
  clock: Clock;
  /** For a connection to the app, in milliseconds; 10,000 unless given. */
  connectTimeoutMs?: number;
}

export function createAppWay(deps: AppWayDeps): Way<AppTarget> {
  const { clock, connectTimeoutMs: timeoutMs = 10_000 } = deps;
  return {
    find({ fingerprint }, target) {
      const decision = decideExit(target, deps.findApp(fingerprint, target));
      if (!decision.ok) return { ok: false, refusal: { ...refusalOf["not-found"], message: decision.message } };
      const { app, port } = decision;
      const { number } = port;
      const to = { what: "app", port: number, clock, timeoutMs };
      const unready = <T>(made: Connected<T>): Connected<T> =>
        made.ok ? made : { ok: false, ...explainUnready(app, made) };
      if (target.network !== "udp") {
        const dial = (signal: AbortSignal) => deps.dialService(app.service, number, signal);
        const connect = async (signal: AbortSignal) => unready(await connectService({ ...to, dial }, signal));
        return { ok: true, target, opening: { connect } };
      }
      const { dialServiceDatagrams } = deps;
      if (!dialServiceDatagrams) return noDatagramsHere;
      const dial = (signal: AbortSignal) => dialServiceDatagrams(app.service, number, signal);
      return {
        ok: true,
        target,
        opening: { connectDatagrams: async (signal) => unready(await connectDatagrams({ ...to, dial }, signal)) },
      };
    },
  };
}

/** Nobody answers at an app that is known not to work: then that is why. */
function explainUnready(app: HostedApp, failed: CloseReason): CloseReason {
  if (app.ready || failed.reason === Reason.CANCELLED) return failed;
  const message = app.message === "" ? failed.message : `${app.message} (${failed.message})`;
  return { reason: Reason.NOT_READY, message };
}
