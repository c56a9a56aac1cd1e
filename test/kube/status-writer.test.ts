import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { silentLog } from "../../src/base/log.ts";
import {
  type RemoteAppStatus,
  RemoteAppStatusSchema,
} from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { remoteApps } from "../../src/kube/resources.ts";
import { createStatusWriter } from "../../src/kube/status-writer.ts";
import { createFakeClock } from "../base/fake-clock.ts";

const metadata = { namespace: "default", name: "web", uid: "u1", resourceVersion: "7" };

function set(t: TestContext) {
  const clock = createFakeClock();
  const written: { at: number; json: JsonObject }[] = [];
  const state = { fault: undefined as Error | undefined, uid: "u1" as string | undefined };
  // Only what the writer uses; the answers are not looked at.
  const client: Pick<KubeClient, "applyStatus" | "get"> = {
    async applyStatus(kind, object) {
      if (state.fault) throw state.fault;
      written.push({ at: clock.monotonic(), json: kind.format(object) });
      return kind.parse({});
    },
    get: async (kind) => (state.uid ? kind.parse({ metadata: { ...metadata, uid: state.uid } }) : undefined),
  };
  const writer = createStatusWriter({ client, kind: remoteApps, clock, log: silentLog });
  t.after(() => writer.close());
  return { clock, written, state, writer };
}

function ready(readyReplicas: number): RemoteAppStatus {
  return create(RemoteAppStatusSchema, { phase: "Ready", readyReplicas });
}

test("a status is written when it changes, at most once a second, the last word last", async (t) => {
  const { clock, written, writer } = set(t);
  for (let count = 0; count <= 40; count += 1) {
    writer.write({ metadata, status: ready(count) });
    await clock.advance(100);
  }
  await clock.advance(2_000);
  for (let index = 1; index < written.length; index += 1) {
    const gap = (written[index]?.at ?? 0) - (written[index - 1]?.at ?? 0);
    assert.ok(gap >= 1_000, `two writes within ${gap} ms`);
  }
  assert.ok(written.length >= 4 && written.length <= 6, `${written.length} writes`);
  assert.deepEqual(written.at(-1)?.json.status, { phase: "Ready", readyReplicas: 40 });
  const before = written.length;
  writer.write({ metadata: { ...metadata, resourceVersion: "9" }, status: ready(40) });
  await clock.advance(5_000);
  assert.equal(written.length, before);
});

test("a status goes to the very object that it is of, whatever its version", async (t) => {
  const { clock, written, writer } = set(t);
  writer.write({ metadata, status: ready(1) });
  await clock.advance(0);
  assert.deepEqual(written[0]?.json.metadata, { namespace: "default", name: "web", uid: "u1" });
});

test("a write that fails is tried until it succeeds, and its age is known", async (t) => {
  const { clock, written, state, writer } = set(t);
  state.fault = new KubeError({ status: 500, reason: "InternalError", message: "no" });
  writer.write({ metadata, status: ready(1) });
  await clock.advance(60_000);
  assert.ok(writer.oldestPendingMs() >= 59_000);
  state.fault = undefined;
  await clock.advance(60_000);
  assert.equal(written.length, 1);
  assert.equal(writer.oldestPendingMs(), 0);
});

test("a conflict that passes loses no status; one with another object's uid ends it", async (t) => {
  const { clock, written, state, writer } = set(t);
  state.fault = new KubeError({ status: 409, reason: "Conflict", message: "try again" });
  writer.write({ metadata, status: ready(1) });
  await clock.advance(2_000);
  state.fault = undefined;
  await clock.advance(60_000);
  assert.equal(written.length, 1);

  state.fault = new KubeError({ status: 409, reason: "Conflict", message: "uid mismatch" });
  state.uid = "u2";
  writer.write({ metadata, status: ready(2) });
  await clock.advance(2_000);
  state.fault = undefined;
  await clock.advance(60_000);
  assert.equal(written.length, 1);
  assert.equal(writer.oldestPendingMs(), 0);

  writer.write({ metadata: { ...metadata, uid: "u2" }, status: ready(2) });
  await clock.advance(2_000);
  assert.equal(written.length, 2);
});

test("the status of an object that is gone is let go", async (t) => {
  const { clock, written, state, writer } = set(t);
  state.fault = new KubeError({ status: 404, reason: "NotFound", message: "gone" });
  writer.write({ metadata, status: ready(1) });
  await clock.advance(60_000);
  assert.equal(writer.oldestPendingMs(), 0);
  assert.equal(written.length, 0);
});

test("a status that passes is written when it lasts, and never when another follows", async (t) => {
  const { clock, written, writer } = set(t);
  const phases = () => written.map(({ json }) => JSON.parse(JSON.stringify(json.status)).phase);
  const say = (phase: string, passes: boolean): void =>
    writer.write({ metadata, status: create(RemoteAppStatusSchema, { phase }) }, { passes });
  say("Progressing", true);
  await clock.advance(900);
  say("Ready", false);
  await clock.advance(0);
  assert.deepEqual(phases(), ["Ready"]);
  await clock.advance(5_000);
  say("Progressing", true);
  await clock.advance(500);
  say("Ready", false);
  await clock.advance(5_000);
  assert.deepEqual(phases(), ["Ready"]);
  say("Progressing", true);
  await clock.advance(1_000);
  assert.deepEqual(phases(), ["Ready", "Progressing"]);
});
