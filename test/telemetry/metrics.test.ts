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

test("two agents in one process count for themselves", async () => {
  const [a, b] = [createMetrics(), createMetrics()];
  a.counter("opens_total", "Streams opened.").inc({}, 5);
  b.counter("opens_total", "Streams opened.").inc({}, 7);
  assert.match(await a.expose(), /^fairlead_opens_total 5$/m);
  assert.match(await b.expose(), /^fairlead_opens_total 7$/m);
});
