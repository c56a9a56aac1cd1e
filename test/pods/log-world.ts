import assert from "node:assert/strict";
import { type Code, ConnectError } from "@connectrpc/connect";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { PodService } from "../../src/gen/fairlead/peer/v1/pods_pb.ts";
import type { PodAccess } from "../../src/kube/pods.ts";
import type { Pod } from "../../src/kube/resources.ts";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import { createStreamRecord } from "../../src/peering/stream-record.ts";
import { type FollowDeps, followLogs, type LogEvent, type LogRequest } from "../../src/pods/follow-logs.ts";
import { createLogs } from "../../src/pods/logs-service.ts";
import { type PodApp, PodUses } from "../../src/pods/uses.ts";
import type { ReachPermission } from "../../src/policy/reach.ts";
import { createRpcServer } from "../../src/rpc/server.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { streamName } from "../../src/wire/stream-name.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { openPair } from "../wire/pair.ts";

/** Of the peer that reads. */
export const fingerprint = "0a".repeat(32);
export const follow: LogRequest = { follow: true, previous: false, timestamps: false };
export const once: LogRequest = { ...follow, follow: false };

type Query = Parameters<PodAccess["logs"]>[1];

/** A cluster of which only pods and their logs exist. */
class FakePods {
  readonly pods = new Map<string, Pod>();
  readonly requests: { pod: string; query: Query }[] = [];
  /** What a request for a pod's log gets; endless when it returns a promise that does not settle. */
  answer: (pod: string, query: Query, signal: AbortSignal) => AsyncIterable<string> = async function* () {};
  readonly #listeners = new Set<() => void>();
  watches = 0;

  set(name: string, state: object, restartCount = 0): void {
    this.pods.set(name, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "fairlead-peer-here", uid: `uid-${name}` },
      spec: { containers: [{ name: "app" }] },
      status: { containerStatuses: [{ name: "app", restartCount, state, ...fillers }] },
    });
    this.changed();
  }

  delete(name: string): void {
    this.pods.delete(name);
    this.changed();
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  watch = () => {
    this.watches += 1;
    return {
      list: () => [...this.pods.values()],
      subscribe: (listener: (key: string, pod: undefined, before: undefined) => void) => {
        const call = (): void => listener("", undefined, undefined);
        this.#listeners.add(call);
        return () => void this.#listeners.delete(call);
      },
      synced: async () => undefined,
      close: async () => {
        this.watches -= 1;
      },
    };
  };

  async *logs({ name }: { name: string }, query: Query, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.requests.push({ pod: name, query });
    for await (const text of this.answer(name, query, signal)) yield Buffer.from(text);
  }
}

const fillers = { image: "x", imageID: "x", ready: true };
export const running = { running: { startedAt: "2026-11-21T12:00:00Z" } };
export const ended = { terminated: { exitCode: 0 } };

/** Ends with the signal, as a request that is followed does. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

/** Two sessions: at one end the pods of one app, at the other who reads their logs. */
export async function openLogs() {
  const kube = new FakePods();
  const apps = new Map<string, PodApp>();
  const app: PodApp = { namespace: "fairlead-peer-here", selector: { app: "web" } };
  apps.set(`${fingerprint}/shop/web`, app);
  const listeners = new Set<(fingerprint: string) => void>();
  const audited: { host: PeeringAuditEntry[]; origin: PeeringAuditEntry[] } = { host: [], origin: [] };
  const findApp = (owner: string, { namespace, name }: { namespace: string; name: string }) =>
    apps.get(`${owner}/${namespace}/${name}`);
  const uses = new PodUses({
    findApp,
    permit: () => world.permission,
    record: createStreamRecord({ audit: { record: (entry) => audited.host.push(entry) }, clock: createFakeClock() }),
    log: silentLog,
  });
  const logs = createLogs({
    uses,
    findApp,
    subscribeApps(fn) {
      listeners.add(fn);
      return () => void listeners.delete(fn);
    },
    watchPods: kube.watch,
    logs: (ref, query, signal) => kube.logs({ name: ref.name }, query, signal),
    clock: systemClock,
    log: silentLog,
  });
  const server = createRpcServer({ routes: (router) => void router.service(PodService, { logs }) });
  const caller = { fingerprint, guest: false, peer: "here", grants: ["apps"], caPem: "" };
  const pair = await openPair({
    acceptHigh(incoming) {
      if (incoming.kind !== "rpc") return;
      const correlation = streamName(pair.high, incoming.stream.id);
      void server.serve(incoming, { ...world.caller, correlation });
    },
  });
  const record = createStreamRecord({
    audit: { record: (entry) => audited.origin.push(entry) },
    clock: createFakeClock(),
  });
  const origin: FollowDeps = { transport: createLinkTransport(pair.low), peer: "there", record };
  const world = {
    kube,
    apps,
    listeners,
    uses,
    audited,
    caller,
    permission: { allowed: true } as ReachPermission,
    deleteApp() {
      apps.clear();
      for (const fn of listeners) fn(fingerprint);
    },
    read: (request: LogRequest, signal = new AbortController().signal, name = "web") =>
      followLogs(origin, { namespace: "shop", name }, request, signal),
    async [Symbol.asyncDispose]() {
      await server.close();
      await pair.close();
    },
  };
  return world;
}

export function refusedWith(code: Code, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ConnectError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

export async function collect(events: AsyncIterable<LogEvent>): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of events) seen.push(show(event));
  return seen;
}

export function show(event: LogEvent): string {
  return event.kind === "line" ? `${event.pod}: ${event.line}` : `${event.pod} ${event.notice} ${event.message}`.trim();
}
