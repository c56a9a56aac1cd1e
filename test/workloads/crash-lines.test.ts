import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog as log } from "../../src/base/log.ts";
import type { LogOptions } from "../../src/kube/pods.ts";
import { createCrashLines } from "../../src/workloads/host/crash-lines.ts";
import { createFakeClock } from "../base/fake-clock.ts";

const workload = { namespace: "n", name: "web" };

function start(read: (options: LogOptions) => Uint8Array[]) {
  const clock = createFakeClock();
  const asked: LogOptions[] = [];
  const told: string[] = [];
  const logs = async function* (_ref: object, options: LogOptions): AsyncGenerator<Uint8Array> {
    asked.push(options);
    yield* read(options);
  };
  const lines = createCrashLines({ logs, onRead: (key) => void told.push(key), clock, log });
  return { clock, asked, told, lines };
}

test("the last lines of each end of a container are read once, and told", async (t) => {
  const { clock, asked, told, lines } = start(() => [Buffer.from("first\nsec"), Buffer.from("ond\u0007\n\n")]);
  t.after(() => lines.close());
  const crash = { pod: "web-1", container: "app", id: "end 1", previous: true };
  for (let look = 0; look < 3; look += 1) {
    lines.want(workload, [crash]);
    await clock.advance(0);
  }
  assert.equal(asked.length, 1);
  assert.deepEqual([asked[0]?.container, asked[0]?.previous], ["app", true]);
  assert.deepEqual(told, ["n/web"]);
  assert.equal(lines.get(workload, "web-1", "app"), "first\nsecond");
  lines.want(workload, [{ ...crash, id: "end 2" }]);
  assert.equal(lines.get(workload, "web-1", "app"), "first\nsecond", "until the new ones are there");
  await clock.advance(0);
  assert.equal(asked.length, 2);
  lines.want(workload, []);
  assert.equal(lines.get(workload, "web-1", "app"), undefined, "a pod that is well is forgotten");
});

test("a log of any length costs 4 KiB, and is never cut inside a character", async (t) => {
  const { clock, lines } = start(() => [Buffer.from("é".repeat(50_000)), Buffer.from("x")]);
  t.after(() => lines.close());
  lines.want(workload, [{ pod: "web-1", container: "app", id: "1", previous: false }]);
  await clock.advance(0);
  const text = lines.get(workload, "web-1", "app") ?? "";
  assert.ok(Buffer.byteLength(text) <= 4096);
  assert.match(text, /^é+x$/);
});

test("a log that cannot be read is tried a few times, and then left alone until the next end", async (t) => {
  const { clock, asked, lines } = start(() => {
    throw new Error("no log");
  });
  t.after(() => lines.close());
  lines.want(workload, [{ pod: "web-1", container: "app", id: "1", previous: false }]);
  for (let minute = 0; minute < 10; minute += 1) await clock.advance(60_000);
  assert.equal(asked.length, 5);
});

test("an empty log is looked at again, where the end is found by then", async (t) => {
  const { clock, asked, told, lines } = start(({ previous }) => (previous ? [Buffer.from("no sail\n")] : []));
  t.after(() => lines.close());
  lines.want(workload, [{ pod: "web-1", container: "app", id: "1", previous: false }]);
  await clock.advance(0);
  assert.deepEqual(told, [], "the next run has not printed yet: that says nothing of this end");
  lines.want(workload, [{ pod: "web-1", container: "app", id: "1", previous: true }]);
  await clock.advance(1_000);
  assert.equal(lines.get(workload, "web-1", "app"), "no sail");
  assert.deepEqual(
    asked.map(({ previous }) => previous),
    [false, true],
  );
});

test("what ends without a word is read a few times, and then known to have said nothing", async (t) => {
  let printed = "all is well";
  const { clock, asked, lines } = start(() => [Buffer.from(printed)]);
  t.after(() => lines.close());
  lines.want(workload, [{ pod: "web-1", container: "app", id: "1", previous: true }]);
  await clock.advance(0);
  printed = "";
  lines.want(workload, [{ pod: "web-1", container: "app", id: "2", previous: true }]);
  for (let second = 0; second < 60; second += 1) await clock.advance(1_000);
  assert.equal(asked.length, 1 + 5);
  assert.equal(lines.get(workload, "web-1", "app"), "");
});
