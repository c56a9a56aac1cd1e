import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { createEventRecorder, type Happening } from "../../src/kube/event-recorder.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { createFakeClock } from "../base/fake-clock.ts";

const about = {
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "RemoteApp",
  metadata: { namespace: "default", name: "web", uid: "u1" },
};
const happening: Happening = { type: "Warning", reason: "ImagePullBackOff", note: "no such image", action: "Deploy" };

function set(t: TestContext) {
  const clock = createFakeClock();
  const made: JsonObject[] = [];
  const counted: JsonObject[] = [];
  const faults: Error[] = [];
  const client: Pick<KubeClient, "create" | "mergePatch"> = {
    async create(kind, object) {
      const fault = faults.shift();
      if (fault) throw fault;
      made.push(kind.format(object));
      return kind.parse({});
    },
    async mergePatch(kind, _, patch) {
      counted.push(patch);
      return kind.parse({});
    },
  };
  const recorder = createEventRecorder({ client, clock, log: silentLog, instance: "agent-1" });
  t.after(() => recorder.close());
  return { clock, made, counted, faults, recorder };
}

test("an Event says what happened to which object, in the form that kubectl shows", async (t) => {
  const { clock, made, recorder } = set(t);
  recorder.record(about, { ...happening, note: "ü".repeat(2_000) });
  await clock.advance(0);
  const [event] = made;
  assert.deepEqual(event?.regarding, { ...about.metadata, apiVersion: about.apiVersion, kind: about.kind });
  assert.equal(event?.eventTime, "2026-01-01T00:00:00.000000Z");
  assert.equal(event?.reportingInstance, "agent-1");
  assert.ok(Buffer.byteLength(String(event?.note)) <= 1_024);
  assert.match(String(event?.note), /^ü+…$/);
});

test("what repeats is counted in one Event, at most once a minute; after six quiet minutes it is news again", async (t) => {
  const { clock, made, counted, recorder } = set(t);
  for (let seconds = 0; seconds < 180; seconds += 1) {
    recorder.record(about, happening);
    await clock.advance(1_000);
  }
  assert.equal(made.length, 1);
  assert.equal(counted.length, 2);
  assert.deepEqual(counted[1]?.series, { count: 121, lastObservedTime: "2026-01-01T00:02:00.000000Z" });
  recorder.record({ ...about, metadata: { ...about.metadata, uid: "u2" } }, happening);
  await clock.advance(0);
  assert.equal(made.length, 2);
  await clock.advance(7 * 60_000);
  recorder.record(about, happening);
  await clock.advance(0);
  assert.equal(made.length, 3);
});

test("an Event that cannot be written now is tried again, one that never can is dropped, and the next still comes", async (t) => {
  const { clock, made, faults, recorder } = set(t);
  faults.push(new KubeError({ status: 503, reason: "ServiceUnavailable", message: "" }));
  faults.push(new KubeError({ status: 403, reason: "Forbidden", message: "" }));
  recorder.record(about, happening);
  await clock.advance(10_000);
  recorder.record(about, { ...happening, reason: "Started" });
  await clock.advance(10_000);
  assert.deepEqual(
    made.map(({ reason }) => reason),
    ["Started"],
  );
});

test("a flood of happenings is bounded, and closing does not wait for a server that is down", async (t) => {
  const { clock, made, faults, recorder } = set(t);
  for (let n = 0; n < 10_000; n += 1) recorder.record(about, { ...happening, note: String(n) });
  await clock.advance(0);
  assert.ok(made.length <= 256);
  faults.push(
    ...Array.from({ length: 50 }, () => new KubeError({ status: 500, reason: "InternalError", message: "" })),
  );
  for (let n = 0; n < 20; n += 1) recorder.record(about, { ...happening, note: `again ${n}` });
  await clock.advance(0);
  const closed = recorder.close();
  await clock.advance(2_000);
  await closed;
  assert.equal(clock.timers, 0);
});

test("an object to which too much happens does not fill the cluster with Events", async (t) => {
  const { clock, made, recorder } = set(t);
  for (let count = 0; count < 100; count += 1) recorder.record(about, { ...happening, note: `trouble ${count}` });
  const other = { ...about, metadata: { ...about.metadata, uid: "u2" } };
  recorder.record(other, happening);
  for (let turn = 0; turn < 200; turn += 1) await clock.advance(0);
  assert.equal(made.length, 26);
  await clock.advance(10_000);
  recorder.record(about, { ...happening, note: "later" });
  for (let turn = 0; turn < 20; turn += 1) await clock.advance(0);
  assert.equal(made.at(-1)?.note, "later");
});
