import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { PodService } from "../../src/gen/fairlead/peer/v1/pods_pb.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { PodAccess } from "../../src/kube/pods.ts";
import type { Pod } from "../../src/kube/resources.ts";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import { createStreamRecord } from "../../src/peering/stream-record.ts";
import { type FollowDeps, followLogs, type LogEvent, type LogRequest } from "../../src/pods/follow-logs.ts";
import type { LoggedApp } from "../../src/pods/log-stream.ts";
import { createLogsService } from "../../src/pods/logs-service.ts";
import type { ReachPermission } from "../../src/policy/reach.ts";
import { createRpcServer } from "../../src/rpc/server.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { streamName } from "../../src/wire/stream-name.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { openPair, until } from "../wire/pair.ts";

const fingerprint = "0a".repeat(32);
const follow: LogRequest = { follow: true, previous: false, timestamps: false };
const once: LogRequest = { ...follow, follow: false };

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
const running = { running: { startedAt: "2026-11-21T12:00:00Z" } };
const ended = { terminated: { exitCode: 0 } };

/** Ends with the signal, as a request that is followed does. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

async function world() {
  const kube = new FakePods();
  const apps = new Map<string, LoggedApp>();
  const app: LoggedApp = { namespace: "fairlead-peer-here", selector: { app: "web" } };
  apps.set(`${fingerprint}/shop/web`, app);
  const listeners = new Set<(fingerprint: string) => void>();
  const audited: { host: PeeringAuditEntry[]; origin: PeeringAuditEntry[] } = { host: [], origin: [] };
  const logs = createLogsService({
    findApp: (owner, { namespace, name }) => apps.get(`${owner}/${namespace}/${name}`),
    subscribeApps(fn) {
      listeners.add(fn);
      return () => void listeners.delete(fn);
    },
    permit: () => world.permission,
    record: createStreamRecord({ audit: { record: (entry) => audited.host.push(entry) }, clock: createFakeClock() }),
    watchPods: kube.watch,
    logs: (ref, query, signal) => kube.logs({ name: ref.name }, query, signal),
    clock: systemClock,
    log: silentLog,
  });
  const server = createRpcServer({ routes: (router) => void router.service(PodService, logs.service) });
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
    logs,
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

function refusedWith(code: Code, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ConnectError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

async function collect(events: AsyncIterable<LogEvent>): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of events) seen.push(show(event));
  return seen;
}

function show(event: LogEvent): string {
  return event.kind === "line" ? `${event.pod}: ${event.line}` : `${event.pod} ${event.notice} ${event.message}`.trim();
}

describe("the logs of an app at a peer", () => {
  test("are those of all its pods, each line with its pod, and end when all was sent", async () => {
    await using at = await world();
    at.kube.set("a", running);
    at.kube.set("b", ended);
    at.kube.answer = async function* (pod) {
      yield `2026-11-21T12:00:00.000000001Z one of ${pod}\n2026-11-21T12:00:00.000000002Z tw`;
      yield "o\n2026-11-21T12:00:00.000000003Z no end";
    };
    const seen = await collect(at.read({ ...once, tailLines: 7, sinceSeconds: 60 }));
    for (const pod of ["a", "b"]) {
      const own = seen.filter((text) => text.startsWith(pod));
      assert.deepEqual(own, [
        `${pod} joined`,
        `${pod}: one of ${pod}`,
        `${pod}: two`,
        `${pod}: no end`,
        `${pod} ended`,
      ]);
    }
    const [request] = at.kube.requests;
    assert.equal(request?.query.tailLines, 7);
    assert.equal(request?.query.sinceSeconds, 60);
    assert.equal(request?.query.follow, false);
    assert.equal(at.kube.watches, 0, "nothing is left behind");
    assert.equal(at.listeners.size, 0);
  });

  test("keep the kubelet's times when asked to", async () => {
    await using at = await world();
    at.kube.set("a", running);
    at.kube.answer = async function* () {
      yield "2026-11-21T12:00:00.000000001Z one\n";
    };
    const seen = await collect(at.read({ ...once, timestamps: true }));
    assert.ok(seen.includes("a: 2026-11-21T12:00:00.000000001Z one"));
  });

  test("join pods that appear and containers that start again, say why one waits, and end when the app is deleted", async () => {
    await using at = await world();
    at.kube.set("a", running);
    at.kube.answer = async function* (pod, _query, signal) {
      const runs = at.kube.requests.filter((request) => request.pod === pod).length;
      yield `line of run ${runs}\n`;
      if (pod === "a" && runs === 1) return at.kube.set("a", ended);
      await Promise.race([untilAborted(signal), gone.promise]);
    };
    const gone = Promise.withResolvers<void>();
    const seen: string[] = [];
    const done = (async () => {
      for await (const event of at.read({ ...follow, tailLines: 1 })) seen.push(show(event));
    })();
    await until(() => seen.includes("a ended"), "the first run has ended");
    at.kube.set("a", running, 1);
    at.kube.set("b", { waiting: { reason: "ImagePullBackOff", message: "no such image" } });
    await until(() => seen.includes("b waiting ImagePullBackOff: no such image"), "the wait is explained");
    at.kube.set("b", running);
    await until(() => seen.includes("b: line of run 1") && seen.includes("a: line of run 2"), "both are joined");
    const joined = at.kube.requests.find((request) => request.pod === "b");
    assert.equal(joined?.query.tailLines, undefined, "of a new pod every line is new");
    at.deleteApp();
    at.kube.delete("a");
    at.kube.delete("b");
    gone.resolve();
    await done;
    assert.equal(seen.filter((text) => text === "a: line of run 1").length, 1);
    assert.equal(at.kube.watches, 0);
  });

  test("lose no line and double none when the API server breaks a request off", async () => {
    await using at = await world();
    at.kube.set("a", running);
    const at0 = Date.now() - 10_000;
    const line = (i: number): string => `${new Date(at0 + i).toISOString().replace("Z", "000000Z")} ${i}\n`;
    at.kube.answer = async function* () {
      const attempt = at.kube.requests.length;
      if (attempt === 1) {
        yield line(0) + line(1) + line(2);
        throw new KubeError({ status: 0, reason: "Cut", message: "cut" });
      }
      if (attempt === 2) throw new KubeError({ status: 503, reason: "ServiceUnavailable", message: "restarting" });
      yield line(1) + line(2) + line(3);
      at.kube.set("a", ended);
    };
    const seen: string[] = [];
    const stop = new AbortController();
    const done = (async () => {
      for await (const event of at.read(follow, stop.signal)) seen.push(show(event));
    })().catch(() => undefined);
    await until(() => seen.includes("a ended"), "the run has ended");
    stop.abort();
    await done;
    assert.deepEqual(seen, ["a joined", "a: 0", "a: 1", "a: 2", "a: 3", "a ended"]);
    assert.ok((at.kube.requests.at(-1)?.query.sinceSeconds ?? 0) >= 10);
  });

  test("stop at the host when nobody follows them any more", async () => {
    await using at = await world();
    at.kube.set("a", running);
    let aborted = false;
    at.kube.answer = async function* (_pod, _query, signal) {
      yield "one\n";
      await untilAborted(signal).catch((error) => {
        aborted = true;
        throw error;
      });
    };
    for await (const event of at.read(follow)) if (event.kind === "line") break;
    await until(() => aborted && at.kube.watches === 0, "the request to the API server is given up");
    assert.equal(at.listeners.size, 0);
  });

  test("are read no faster than they are followed", async () => {
    await using at = await world();
    at.kube.set("a", running);
    let produced = 0;
    at.kube.answer = async function* () {
      const chunk = `${"x".repeat(1023)}\n`.repeat(64);
      for (;;) {
        produced += chunk.length;
        yield chunk;
        await turn();
      }
    };
    const events = at.read(follow)[Symbol.asyncIterator]();
    await events.next();
    let last = -1;
    let since = performance.now();
    await until(() => {
      if (produced !== last) since = performance.now();
      last = produced;
      return performance.now() - since > 100;
    }, "the host stands still");
    assert.ok(produced < 8 * 1024 * 1024, `${produced} bytes were read`);
    await events.return?.(undefined);
  });

  test("are another peer's to nobody but that peer, and refused with the reason", async () => {
    await using at = await world();
    at.kube.set("a", running);
    at.caller.fingerprint = "0b".repeat(32);
    await assert.rejects(collect(at.read(once)), refusedWith(Code.NotFound, /No app of yours called shop\/web/));
    at.caller.guest = true;
    await assert.rejects(collect(at.read(once)), refusedWith(Code.PermissionDenied, /paired/));
    await using other = await world();
    other.permission = { allowed: false, rule: "grants/apps", message: "No grant." };
    await assert.rejects(collect(other.read(once)), refusedWith(Code.PermissionDenied, /grants\/apps/));
    assert.equal(at.kube.requests.length + other.kube.requests.length, 0);
  });

  test("of one pod are only its own; one that does not exist, or cannot be read, is named with the reason", async () => {
    await using at = await world();
    at.kube.set("a", running);
    at.kube.set("b", running);
    at.kube.answer = async function* (pod) {
      if (pod === "b") throw new KubeError({ status: 400, reason: "BadRequest", message: "no previous container" });
      yield "one\n";
    };
    assert.deepEqual(await collect(at.read({ ...once, pod: "a" })), ["a joined", "a: one", "a ended"]);
    assert.deepEqual(await collect(at.read({ ...once, pod: "b" })), ["b joined", "b failed no previous container"]);
    assert.deepEqual(await collect(at.read({ ...once, pod: "c" })), ["c failed The app has no pod of this name."]);
  });

  test("are read so many at a time by one peer, since each costs the API server a watch", async () => {
    await using at = await world();
    at.kube.set("a", running);
    at.kube.answer = async function* (_pod, _query, signal) {
      yield "2026-11-21T12:00:00Z hello\n";
      await untilAborted(signal);
    };
    const stop = new AbortController();
    const reading = Array.from({ length: 64 }, () => at.read(follow, stop.signal)[Symbol.asyncIterator]());
    await Promise.all(reading.map((one) => one.next()));
    await assert.rejects(
      collect(at.read(once)),
      (error) => ConnectError.from(error).code === Code.ResourceExhausted && at.kube.watches === 64,
    );
    stop.abort();
    await Promise.allSettled(reading.map((one) => one.next()));
    await until(() => at.kube.watches === 0, "no log is read");
    at.kube.answer = async function* () {};
    await collect(at.read(once));
  });

  test("Every operation is scoped by the caller's fingerprint first, then by id: another's app is none", async () => {
    await using at = await world();
    at.kube.set("a", running);
    at.caller.fingerprint = "0b".repeat(32);
    await assert.rejects(collect(at.read(once)), refusedWith(Code.NotFound, /No app of yours called shop\/web/));
    assert.equal(at.kube.requests.length, 0);
    const [entry] = at.audited.host;
    assert.deepEqual(
      [entry?.verdict, entry?.rule, entry?.actor.fingerprint],
      ["denied", "target/not-found", "0b".repeat(32)],
    );
  });

  test("end at once when the policy takes them back, also for a reader that does not read, with the rule at both ends", async () => {
    await using at = await world();
    at.kube.set("a", running);
    at.kube.answer = async function* (_pod, _query, signal) {
      const line = `2026-11-21T12:00:00Z ${"x".repeat(8_000)}\n`;
      for (let count = 0; count < 200; count += 1) yield line;
      await untilAborted(signal);
    };
    // Of a slow reader more waits than is on its way, so that an end behind it would come late.
    const slow = at.read({ ...follow, person: "ada" })[Symbol.asyncIterator]();
    await slow.next();
    at.logs.review(() => at.caller);
    await slow.next();
    at.permission = { allowed: false, rule: "pods/logs", message: "No policy lets you." };
    at.logs.review(() => at.caller, "0b".repeat(32));
    assert.equal(at.kube.watches, 1, "a review of another peer ends nothing");
    at.logs.review(() => at.caller, fingerprint);
    await until(() => at.kube.watches === 0, "it is read no more");
    const error = await drain(slow);
    assert.equal(error.code, Code.PermissionDenied);
    assert.equal(error.metadata.get("fairlead-reason"), "REVOKED");
    assert.equal(error.rawMessage, "No policy lets you. (rule: pods/logs)");

    const { host, origin } = at.audited;
    const shown = (entries: typeof host) => entries.map(({ action, verdict, rule }) => [action, verdict, rule]);
    assert.deepEqual(shown(host), [
      ["log.read", "allowed", undefined],
      ["log.revoke", "done", "pods/logs"],
    ]);
    assert.deepEqual(shown(origin), shown(host), "both ends tell the same");
    assert.deepEqual(
      [origin[0]?.actor, host[0]?.actor],
      [
        { peer: "there", person: "ada" },
        { peer: "here", fingerprint },
      ],
    );
    assert.match(origin[0]?.correlation ?? "", /^stream:[0-9a-f]{8}\/\d+$/);
    assert.deepEqual(new Set([...host, ...origin].map(({ correlation }) => correlation)).size, 1, "by one name");
    await assert.rejects(collect(at.read(once)), refusedWith(Code.PermissionDenied, /pods\/logs/));
    assert.deepEqual(shown(at.audited.origin).at(-1), ["log.read", "denied", "pods/logs"]);
    assert.equal(at.audited.origin.at(-1)?.correlation, at.audited.host.at(-1)?.correlation);
  });

  test("end when their peer is removed, whatever the rules say of others", async () => {
    await using at = await world();
    at.kube.set("a", running);
    at.kube.answer = (_pod, _query, signal) => endless(signal);
    const reading = at.read(follow)[Symbol.asyncIterator]();
    await reading.next();
    at.logs.review(() => undefined);
    assert.match((await drain(reading)).rawMessage, /removed/);
  });

  test("are written down so often at most that a peer which asks without end cannot fill the record", async () => {
    await using at = await world();
    at.permission = { allowed: false, rule: "pods/logs", message: "No policy lets you." };
    for (let count = 0; count < 300; count += 1)
      await collect(at.read(once, undefined, `app-${count}`)).catch(() => undefined);
    assert.ok(at.audited.host.length <= 60, `${at.audited.host.length} entries`);
  });
});

async function* endless(signal: AbortSignal): AsyncGenerator<string> {
  yield "2026-11-21T12:00:00Z hello\n";
  await untilAborted(signal);
}

/** Reads on until it fails. */
async function drain(events: AsyncIterator<LogEvent>): Promise<ConnectError> {
  try {
    while (!(await events.next()).done);
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("It ended well.");
}
