import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "../../src/telemetry/metrics.ts";

test("what was counted is exposed under the program's prefix", async () => {
  const metrics = createMetrics();
  const refusals = metrics.counter("link_refusals_total", "Links refused.", ["reason"]);
  refusals.inc({ reason: "unknown" });
  refusals.inc({ reason: "unknown" }, 2);
  const state = metrics.gauge("link_up", "1 while the link is up.", ["peer"]);
  state.set({ peer: "east" }, 1);
  state.set({ peer: "west" }, 1);
  state.remove({ peer: "west" });
  metrics.histogram("rpc_seconds", "Time of a call.", [0.1, 1]).observe({}, 0.5);
  let waiting = 3;
  metrics.watch("work_waiting", "Keys that wait.", () => waiting++);
  const text = await metrics.expose();
  assert.match(text, /^fairlead_link_refusals_total\{reason="unknown"\} 3$/m);
  assert.match(text, /^fairlead_link_up\{peer="east"\} 1$/m);
  assert.doesNotMatch(text, /west/);
  assert.match(text, /^fairlead_rpc_seconds_bucket\{le="1"\} 1$/m);
  assert.match(text, /^fairlead_work_waiting 3$/m);
  assert.match(await metrics.expose(), /^fairlead_work_waiting 4$/m);
  assert.match(text, /^fairlead_process_resident_memory_bytes \d+$/m);
});

test("several who read at once each get all values, once", async () => {
  const metrics = createMetrics();
  metrics.family({ seen_total: { help: "Things that were seen.", labels: ["peer"] } }, async (put) => {
    for (const peer of ["east", "west"]) {
      put("seen_total", { peer }, 7);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  for (const text of await Promise.all([metrics.expose(), metrics.expose(), metrics.expose()])) {
    assert.match(text, /^fairlead_seen_total\{peer="east"\} 7$/m);
    assert.match(text, /^fairlead_seen_total\{peer="west"\} 7$/m);
  }
});

test("two agents in one process count for themselves", async () => {
  const [a, b] = [createMetrics(), createMetrics()];
  a.counter("opens_total", "Streams opened.").inc({}, 5);
  b.counter("opens_total", "Streams opened.").inc({}, 7);
  assert.match(await a.expose(), /^fairlead_opens_total 5$/m);
  assert.match(await b.expose(), /^fairlead_opens_total 7$/m);
});

test("a family is looked at when the metrics are read, and what the look does not put any more is gone", async () => {
  const metrics = createMetrics();
  const bytes = new Map([
    ["east", 10],
    ["west", 20],
  ]);
  let looks = 0;
  metrics.family(
    {
      link_up: { help: "1 while it is up.", labels: ["peer"] },
      link_received_bytes_total: { help: "Bytes that came.", labels: ["peer"] },
    },
    (put) => {
      looks += 1;
      for (const [peer, count] of bytes) {
        put("link_up", { peer }, 1);
        put("link_received_bytes_total", { peer }, count);
        put("link_up", { peer: "unknown" }, undefined);
      }
    },
  );
  assert.equal(looks, 0, "nothing is read before somebody asks");
  const first = await metrics.expose();
  assert.match(
    first,
    /^# TYPE fairlead_link_received_bytes_total counter\nfairlead_link_received_bytes_total\{peer="east"\} 10$/m,
  );
  assert.match(first, /^fairlead_link_up\{peer="west"\} 1$/m);
  assert.doesNotMatch(first, /unknown/, "a value that is not known is not there");
  bytes.set("east", 15);
  bytes.delete("west");
  const second = await metrics.expose();
  assert.equal(looks, 2);
  assert.match(second, /^fairlead_link_received_bytes_total\{peer="east"\} 15$/m, "as it stands, not added up");
  assert.doesNotMatch(second, /west/);
});
