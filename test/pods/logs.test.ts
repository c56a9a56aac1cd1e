import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { KubeError } from "../../src/kube/errors.ts";
import { until } from "../patience.ts";
import { collect, ended, follow, once, openLogs, refusedWith, running, show, untilAborted } from "./log-world.ts";

describe("the logs of an app at a peer", () => {
  test("are those of all its pods, each line with its pod, and end when all was sent", async () => {
    await using at = await openLogs();
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
    await using at = await openLogs();
    at.kube.set("a", running);
    at.kube.answer = async function* () {
      yield "2026-11-21T12:00:00.000000001Z one\n";
    };
    const seen = await collect(at.read({ ...once, timestamps: true }));
    assert.ok(seen.includes("a: 2026-11-21T12:00:00.000000001Z one"));
  });

  test("join pods that appear and containers that start again, say why one waits, and end when the app is deleted", async () => {
    await using at = await openLogs();
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
    await until("the first run has ended", () => seen.includes("a ended"));
    at.kube.set("a", running, 1);
    at.kube.set("b", { waiting: { reason: "ImagePullBackOff", message: "no such image" } });
    await until("the wait is explained", () => seen.includes("b waiting ImagePullBackOff: no such image"));
    at.kube.set("b", running);
    await until("both are joined", () => seen.includes("b: line of run 1") && seen.includes("a: line of run 2"));
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
    await using at = await openLogs();
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
    await until("the run has ended", () => seen.includes("a ended"));
    stop.abort();
    await done;
    assert.deepEqual(seen, ["a joined", "a: 0", "a: 1", "a: 2", "a: 3", "a ended"]);
    assert.ok((at.kube.requests.at(-1)?.query.sinceSeconds ?? 0) >= 10);
  });

  test("stop at the host when nobody follows them any more", async () => {
    await using at = await openLogs();
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
    await until("the request to the API server is given up", () => aborted && at.kube.watches === 0);
    assert.equal(at.listeners.size, 0);
  });

  test("are read no faster than they are followed", async () => {
    await using at = await openLogs();
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
    await until("the host stands still", () => {
      if (produced !== last) since = performance.now();
      last = produced;
      return performance.now() - since > 100;
    });
    assert.ok(produced < 8 * 1024 * 1024, `${produced} bytes were read`);
    await events.return?.(undefined);
  });

  test("are another peer's to nobody but that peer, and refused with the reason", async () => {
    await using at = await openLogs();
    at.kube.set("a", running);
    at.caller.fingerprint = "0b".repeat(32);
    await assert.rejects(collect(at.read(once)), refusedWith(Code.NotFound, /No app of yours called shop\/web/));
    at.caller.guest = true;
    await assert.rejects(collect(at.read(once)), refusedWith(Code.PermissionDenied, /paired/));
    await using other = await openLogs();
    other.permission = { allowed: false, rule: "grants/apps", message: "No grant." };
    await assert.rejects(collect(other.read(once)), refusedWith(Code.PermissionDenied, /grants\/apps/));
    assert.equal(at.kube.requests.length + other.kube.requests.length, 0);
  });

  test("of one pod are only its own; one that does not exist, or cannot be read, ends with the reason", async () => {
    await using at = await openLogs();
    at.kube.set("a", running);
    at.kube.set("b", running);
    at.kube.answer = async function* (pod) {
      if (pod === "b") throw new KubeError({ status: 400, reason: "BadRequest", message: "no previous container" });
      yield "one\n";
    };
    assert.deepEqual(await collect(at.read({ ...once, pod: "a" })), ["a joined", "a: one", "a ended"]);
    const failed = refusedWith(Code.FailedPrecondition, /no previous container/);
    await assert.rejects(collect(at.read({ ...once, pod: "b" })), failed);
    const absent = refusedWith(Code.NotFound, /The app has no pod of this name\./);
    await assert.rejects(collect(at.read({ ...once, pod: "c" })), absent);
    assert.equal(at.kube.watches, 0);
  });

  const lacksRight = /lacks the right "get" of "pods\/log" in the namespace fairlead-peer-here/;
  const forbidden = new KubeError({ status: 403, reason: "Forbidden", message: "pods is forbidden" });

  for (const how of [once, follow]) {
    test(`that the host's agent has no right to end with which one and who gives it, ${how.follow ? "followed" : "read once"}`, async () => {
      await using at = await openLogs();
      // biome-ignore lint/correctness/useYield: it fails before.
      at.kube.answer = async function* () {
        throw forbidden;
      };
      for (const pod of ["a", "b", "c"]) {
        at.kube.set(pod, running);
        await assert.rejects(collect(at.read(how)), (error) => {
          return (
            refusedWith(Code.FailedPrecondition, lacksRight)(error) &&
            refusedWith(Code.FailedPrecondition, /administers that cluster can give it/)(error)
          );
        });
      }
      assert.equal(at.kube.watches, 0, "nothing is left behind");
      const verdicts = new Set(at.audited.host.map(({ verdict }) => verdict));
      assert.deepEqual([...verdicts], ["allowed"], "the policy has nothing against it");
      at.kube.answer = async function* () {
        yield "one\n";
      };
      const seen = await collect(at.read({ ...once, pod: "a" }));
      assert.deepEqual(seen, ["a joined", "a: one", "a ended"], "once it has it");
    });
  }

  test("of which some can be read go on, with a notice of each that cannot", async () => {
    await using at = await openLogs();
    for (const pod of ["a", "b", "c"]) at.kube.set(pod, running);
    at.kube.answer = async function* (pod) {
      if (pod !== "b") throw forbidden;
      yield "one\n";
    };
    const seen = await collect(at.read(once));
    assert.deepEqual(
      seen.filter((text) => text.startsWith("b")),
      ["b joined", "b: one", "b ended"],
    );
    for (const pod of ["a", "c"]) {
      assert.match(seen.find((text) => text.startsWith(`${pod} failed`)) ?? "", lacksRight);
    }
  });

  test("are read so many at a time by one peer, since each costs the API server a watch", async () => {
    await using at = await openLogs();
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
    await until("no log is read", () => at.kube.watches === 0);
    at.kube.answer = async function* () {};
    await collect(at.read(once));
  });
});
