/** `PodService` for peers: the logs of what they run here, and of nothing else. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { createRateLimit } from "../base/rate-limit.ts";
import type { LogsRequest, PodService } from "../gen/fairlead/peer/v1/pods_pb.ts";
import { type StreamRecord, withRule } from "../peering/stream-record.ts";
import type { ReachPermission } from "../policy/reach.ts";
import { type Caller, callerKey, callKey } from "../rpc/caller.ts";
import { Reason } from "../wire/reason.ts";
import { type LoggedApp, type LogStreamDeps, streamLogs } from "./log-stream.ts";

/** Who reads, as the roster knows them. */
export type LogReader = Pick<Caller, "fingerprint" | "guest" | "peer" | "grants">;

export interface LogsServiceDeps extends Omit<LogStreamDeps, "onRefused"> {
  /** An app among those that the peer with this fingerprint runs here; never another's. */
  findApp(fingerprint: string, app: { namespace: string; name: string }): LoggedApp | undefined;
  /** Calls `fn` with the fingerprint of a peer after each change of one of its apps. Returns what ends it. */
  subscribeApps(fn: (fingerprint: string) => void): () => void;
  /** Whether the reader may read logs. Asked for each, and again at each review. */
  permit(reader: LogReader): ReachPermission;
  record: Pick<StreamRecord, "note">;
}

export interface LogsService {
  readonly service: ServiceImpl<typeof PodService>;
  /**
   * Asks the rules again about the logs that are read, by one peer or by all, and ends at once those that are no longer
   * allowed. `stillKnown` gives the reader as it is now.
   */
  review(stillKnown: (fingerprint: string) => LogReader | undefined, fingerprint?: string): void;
}

/** Logs that one peer reads at a time. Each costs a watch at the API server, and a request for each pod. */
const maxPerPeer = 64;

/** A log that is read now. */
interface Reading {
  readonly caller: Caller;
  /** As people read it: "app/shop/web". */
  readonly target: string;
  end(message: string): void;
}

export function createLogsService(deps: LogsServiceDeps): LogsService {
  /** By fingerprint. */
  const readings = new Map<string, Set<Reading>>();
  const warnings = createRateLimit({ clock: deps.clock, burst: 3, perSecond: 1 / 600 });

  /** How often peers ask must not fill the log. */
  function onRefused(namespace: string, error: unknown): void {
    if (!warnings.take()) return;
    deps.log.warn(
      { namespace, err: error },
      'this agent may not read the logs of peers\' pods; it needs the right "get" of "pods/log" in their namespaces',
    );
  }

  function begin(reading: Reading): () => void {
    const { fingerprint } = reading.caller;
    const own = readings.get(fingerprint) ?? new Set();
    readings.set(fingerprint, own.add(reading));
    return () => {
      own.delete(reading);
      if (own.size === 0 && readings.get(fingerprint) === own) readings.delete(fingerprint);
    };
  }

  function note(
    caller: Caller,
    target: string,
    how: { verdict: "allowed" | "denied"; rule?: string; message?: string },
  ) {
    const { peer, fingerprint, correlation } = caller;
    deps.record.note(fingerprint, { action: "log.read", actor: { peer, fingerprint }, target, correlation, ...how });
  }

  /** The app whose log it is; throws, and writes down, why the caller does not get it. */
  function admit(caller: Caller, request: LogsRequest, target: string): LoggedApp {
    const refuse = (code: Code, rule: string, message: string): ConnectError => {
      note(caller, target, { verdict: "denied", rule, message });
      return new ConnectError(message, code);
    };
    const permission = permitted(deps, caller);
    if (!permission.allowed) {
      const { rule, message } = permission;
      throw refuse(Code.PermissionDenied, rule, withRule(message, rule));
    }
    const { namespace, name, follow, previous } = request;
    if (follow && previous) {
      throw new ConnectError("The log of a container that has ended cannot be followed.", Code.InvalidArgument);
    }
    const app = deps.findApp(caller.fingerprint, { namespace, name });
    if (!app) throw refuse(Code.NotFound, "target/not-found", `No app of yours called ${namespace}/${name} runs here.`);
    if ((readings.get(caller.fingerprint)?.size ?? 0) >= maxPerPeer) {
      const message = `You read ${maxPerPeer} logs here already. End some of them.`;
      throw refuse(Code.ResourceExhausted, "logs/limit", message);
    }
    note(caller, target, { verdict: "allowed" });
    return app;
  }

  async function* logs(request: LogsRequest, context: Pick<HandlerContext, "values" | "signal">) {
    const caller = context.values.get(callerKey);
    const call = context.values.get(callKey);
    const { namespace, name, follow, tailLines, sinceSeconds, previous, timestamps, pod } = request;
    const target = `app/${namespace}/${name}`;
    const app = admit(caller, request, target);
    const deleted = new AbortController();
    const unsubscribe = deps.subscribeApps((fingerprint) => {
      if (fingerprint !== caller.fingerprint) return;
      if (!deps.findApp(fingerprint, { namespace, name })) deleted.abort();
    });
    const done = begin({ caller, target, end: (message) => call.cut(Reason.REVOKED, message) });
    try {
      const options = { follow, previous, timestamps, pod, tailLines, sinceSeconds };
      yield* streamLogs({ ...deps, onRefused }, app, options, deleted.signal, context.signal);
    } finally {
      done();
      unsubscribe();
    }
  }

  return {
    service: { logs },
    review(stillKnown, fingerprint) {
      const peers = fingerprint === undefined ? [...readings.keys()] : [fingerprint];
      for (const peer of peers) {
        const now = stillKnown(peer);
        const permission = now ? permitted(deps, now) : gone;
        if (permission.allowed) continue;
        const { rule, message } = permission;
        for (const { caller, target, end } of [...(readings.get(peer) ?? [])]) {
          const actor = { peer: caller.peer, fingerprint: peer };
          const { correlation } = caller;
          deps.log.info({ ...actor, target, rule }, "log revoked");
          deps.record.note(peer, { action: "log.revoke", actor, target, verdict: "done", rule, message, correlation });
          end(withRule(message, rule));
        }
      }
    },
  };
}

function permitted(deps: Pick<LogsServiceDeps, "permit">, reader: LogReader): ReachPermission {
  if (reader.guest) return { allowed: false, rule: "pairing", message: "Only a paired peer may read logs." };
  return deps.permit(reader);
}

const gone: ReachPermission = { allowed: false, rule: "pairing", message: "The peer was removed." };
