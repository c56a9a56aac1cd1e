/** The logs of an app that runs at several peers, some of which are away, come, or are left. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { LogOptions, LogPiece } from "../../src/console/api/pod-service.ts";
import { readAppLogs } from "../../src/console/app-logs.ts";
import { type RemoteApp, remoteApps } from "../../src/kube/resources.ts";
import type { LogEvent } from "../../src/pods/follow-logs.ts";
import { createFakeClock } from "../base/fake-clock.ts";

const once: LogOptions = { follow: false, previous: false, timestamps: false, allContainers: false, tailLines: 10 };
const follow: LogOptions = { ...once, follow: true };

/** What a test makes of a host: it is given each line to write, in order, and ended. */
class Host {
  readonly asked: LogOptions[] = [];
  #lines: (string | Error | "end")[] = [];
  #wake: (() => void)[] = [];

  write(...lines: (string | Error)[]): void {
    this.#lines.push(...lines);
    for (const wake of this.#wake.splice(0)) wake();
  }

  async *follow(options: LogOptions, signal: AbortSignal): AsyncGenerator<LogEvent> {
    this.asked.push(options);
    for (;;) {
      const line = this.#lines.shift();
      if (line instanceof Error) throw line;
      if (line === "end") return;
      if (line !== undefined) yield { kind: "line", pod: "web-1", container: "", line };
      else if (!options.follow) return;
      else {
        await new Promise<void>((resolve, reject) => {
          this.#wake.push(resolve);
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        });
      }
    }
  }
}

function world(...names: string[]) {
  const hosts = new Map<string, Host>();
  const host = (name: string): Host => {
    const found = hosts.get(name) ?? new Host();
    hosts.set(name, found);
    return found;
  };
  const listeners = new Set<(key: string, app: RemoteApp | undefined) => void>();
  const clock = createFakeClock();
  const appAt = (peers: readonly string[], spec = {}): RemoteApp =>
    remoteApps.parse({
      metadata: { namespace: "shop", name: "web", uid: "u-1" },
      spec: { image: "web:1", placement: { count: 0 }, ...spec },
      status: { peers: peers.map((peer) => ({ peer, phase: "Ready" })) },
    });
  let app: RemoteApp | undefined = appAt(names);
  const ended = new AbortController();
  const deps = {
    apps: {
      get: () => app,
      subscribe(listener: (key: string, app: RemoteApp | undefined) => void) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    follow: (peer: string, _app: unknown, options: LogOptions, signal: AbortSignal) =>
      host(peer).follow(options, signal),
    isConnected: () => true,
    clock,
  };
  return {
    host,
    clock,
    listeners,
    interrupt: () => ended.abort(new Error("Ctrl-C")),
    /** From now on it is at these; at none for an app that is gone. */
    moveTo(...peers: string[]): void {
      app = peers.length > 0 ? appAt(peers) : undefined;
      for (const listener of [...listeners]) listener("shop/web", app);
    },
    read(options: LogOptions, given = app): AsyncIterator<LogPiece> {
      assert.ok(given);
      return readAppLogs(deps, given, options, ended.signal)[Symbol.asyncIterator]();
    },
    appAt,
  };
}

async function take(log: AsyncIterator<LogPiece>, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) {
    const { value, done } = await log.next();
    assert.ok(!done, `it ended after ${taken.join(", ")}`);
    taken.push(textOf(value));
  }
  return taken;
}

async function rest(log: AsyncIterator<LogPiece>): Promise<string[]> {
  const taken: string[] = [];
  for await (const piece of { [Symbol.asyncIterator]: () => log }) taken.push(textOf(piece));
  return taken;
}

function textOf({ peer, line, notice }: LogPiece): string {
  return notice ? `(${peer}: ${notice})` : `${peer}: ${line}`;
}

const away = (): ConnectError => new ConnectError("There is no link.", Code.Unavailable);

test("the lines of all peers come with their peer, as far as they were asked for", async () => {
  const w = world("berlin", "oslo");
  w.host("berlin").write("one", "two");
  w.host("oslo").write("three");
  assert.deepEqual((await rest(w.read(once))).sort(), ["berlin: one", "berlin: two", "oslo: three"]);
  assert.deepEqual([w.host("berlin").asked, w.host("oslo").asked], [[once], [once]]);
});

test("a peer that is away is told of beside the lines of the others, and only when all are is that a failure", async () => {
  const w = world("berlin", "oslo");
  w.host("berlin").write(away());
  w.host("oslo").write("here");
  assert.deepEqual((await rest(w.read(once))).sort(), ["(berlin: There is no link.)", "oslo: here"]);
  for (const name of ["berlin", "oslo"]) w.host(name).write(away());
  const log = w.read(once);
  await assert.rejects(
    (async () => {
      for (;;) if ((await log.next()).done) return;
    })(),
    (error) => error instanceof ConnectError && error.code === Code.Unavailable,
  );
});

test("who follows hears of the peer that it moves to, and the log ends with the app", async () => {
  const w = world("berlin");
  w.host("berlin").write("before");
  const log = w.read(follow);
  assert.deepEqual(await take(log, 1), ["berlin: before"]);
  const next = take(log, 2);
  w.moveTo("oslo");
  w.host("oslo").write("after");
  assert.deepEqual(await next, ["(oslo: The app is to run here now.)", "oslo: after"]);
  assert.equal(w.host("oslo").asked[0]?.tailLines, undefined, "all that it writes there");
  const last = rest(log);
  w.moveTo();
  assert.deepEqual(await last, []);
  assert.equal(w.listeners.size, 0);
});

test("a peer that was away is read on from where it was, and told of once", async () => {
  const w = world("berlin", "oslo");
  w.host("berlin").write("one");
  w.host("oslo").write("other");
  const log = w.read(follow);
  await take(log, 2);
  const told = take(log, 1);
  w.host("berlin").write(away());
  assert.deepEqual(await told, ["(berlin: There is no link.)"]);
  const more = take(log, 1);
  w.host("berlin").write(away());
  await w.clock.advance(3_000);
  w.host("berlin").write("two");
  await w.clock.advance(30_000);
  assert.deepEqual(await more, ["berlin: two"]);
  const [, second, third] = w.host("berlin").asked;
  assert.equal(second?.tailLines, undefined);
  assert.ok((third?.sinceSeconds ?? 0) >= (second?.sinceSeconds ?? 99), "since what was heard last");
  w.interrupt();
  await assert.rejects(rest(log), /Ctrl-C/);
  assert.equal(w.listeners.size, 0);
});

test("of one peer, by its name or its pod's, or because there is no other, lines are as that one gives them", async () => {
  const w = world("berlin", "oslo");
  w.host("oslo").write("here");
  assert.deepEqual(await rest(w.read({ ...once, peer: "oslo" })), [": here"]);
  w.host("berlin").write("one");
  const named = remoteApps.parse({
    metadata: { namespace: "shop", name: "web", uid: "u-1" },
    spec: { image: "web:1", peer: "berlin" },
  });
  assert.deepEqual(await rest(w.read(once, named)), [": one"]);
  w.host("berlin").write(away());
  await assert.rejects(rest(w.read({ ...once, peer: "berlin" })), /There is no link/);
  await assert.rejects(rest(w.read(once, w.appAt([]))), /runs nowhere yet/);
});

test("of very many peers some are read, and of the others it is said how to", async () => {
  const names = Array.from({ length: 70 }, (_, index) => `peer-${index}`);
  const w = world(...names);
  for (const name of names) w.host(name).write("hi");
  const lines = await rest(w.read(once));
  assert.equal(lines.filter((line) => line.endsWith(": hi")).length, 64);
  assert.equal(lines.filter((line) => /Only 64 peers are read/.test(line)).length, 6);
});
