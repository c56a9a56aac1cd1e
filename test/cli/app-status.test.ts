import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromJson } from "@bufbuild/protobuf";
import { appDetail } from "../../src/cli/app-detail.ts";
import { readyOf } from "../../src/client/app-ready.ts";
import { type App, AppSchema } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { RemoteAppSpecSchema, RemoteAppStatusSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { JsonObject } from "../../src/kube/object.ts";

const now = Date.UTC(2026, 0, 1, 12);

function app(spec: JsonObject, status: JsonObject): App {
  return create(AppSchema, {
    spec: fromJson(RemoteAppSpecSchema, { image: "web:1", ...spec }),
    status: fromJson(RemoteAppStatusSchema, status),
  });
}

test("a rollout tells how far it is, since when and until when", () => {
  const rollout = {
    startedAt: "2026-01-01T11:58:00Z",
    deadlineAt: "2026-01-01T12:05:00Z",
    updated: 2,
    updatedReady: 1,
    old: 1,
    total: 3,
  };
  const line = /Rollout +(.*)/;
  assert.equal(
    line.exec(appDetail(app({}, { rollout }), now))?.[1],
    "2 of 3 pods made anew, 1 of them ready, 1 of an earlier spec left; for 2m, until 2026-01-01T12:05:00Z",
  );
  const late = appDetail(app({}, { rollout: { ...rollout, old: 0 } }), now + 600_000);
  assert.match(late, /1 of them ready; for 12m, late since 2026-01-01T12:05:00Z/);
  assert.match(appDetail(app({}, { rollout: { ...rollout, paused: true } }), now), /for 2m, paused/);
  assert.doesNotMatch(appDetail(app({}, {}), now), line);
});

test("a Job tells what has ended, and counts by its completions", () => {
  const job = { succeeded: 2, active: 1, startedAt: "2026-01-01T11:55:00Z" };
  const running = app({ kind: "Job", job: { completions: 5 } }, { job });
  assert.equal(readyOf(running), "2/5");
  assert.match(appDetail(running, now), /Kind +Job/);
  assert.match(appDetail(running, now), /Job +2 completed, 1 at work, 0 failed; begun 5m ago/);
  const cron = app({ kind: "CronJob" }, { job: { lastSuccessAt: "2026-01-01T11:59:00Z" } });
  assert.equal(readyOf(cron), "-");
  assert.match(appDetail(cron, now), /last ended well 60s ago|last ended well 1m ago/);
  assert.equal(readyOf(app({ replicas: 3 }, { readyReplicas: 1 })), "1/3");
});

test("pods with several containers tell of each, and Events stand below", () => {
  const containers = [
    { name: "app", ready: true, state: "Running", restarts: 0 },
    {
      name: "log",
      ready: false,
      state: "Waiting",
      reason: "CrashLoopBackOff",
      restarts: 4,
      exitCode: 3,
      finishedAt: "2026-01-01T11:59:30Z",
    },
    { name: "migrate", init: true, state: "Terminated", exitCode: 0 },
  ];
  const events = [
    {
      type: "Warning",
      reason: "BackOff",
      message: "again\u001b[31m",
      object: "Pod web-1",
      count: 7,
      lastAt: "2026-01-01T11:59:50Z",
    },
  ];
  const text = appDetail(
    app(
      {},
      {
        pods: [
          { name: "web-1", containers },
          { name: "one", containers: containers.slice(0, 1) },
        ],
        events,
      },
    ),
    now,
  );
  assert.match(text, /web-1 +log +Waiting +no +4 +3, 30s ago +CrashLoopBackOff/);
  assert.match(text, /web-1 +migrate \(before\) +Terminated/);
  assert.doesNotMatch(text, /one +app/, "of a pod with one container all is said already");
  assert.match(text, /10s +Warning +BackOff +7 +Pod web-1 +again/);
  assert.ok(!text.includes("\u001b"), "a peer's words steer no terminal");
});

test("what is ready counts at all peers, and pods of several say at which they are", () => {
  const at = (peer: string, more = {}): JsonObject => ({ peer, phase: "Ready", ...more });
  const peers = [at("berlin"), at("oslo"), at("rome", { leaving: true })];
  const spread = (placement: JsonObject, spec: JsonObject = {}): App =>
    app({ replicas: 2, placement, ...spec }, { readyReplicas: 3, peers });
  assert.equal(readyOf(spread({ count: 3 })), "3/6", "a peer that is missing is missed");
  assert.equal(readyOf(spread({ count: 0 })), "3/4", "as many as were chosen");
  assert.equal(readyOf(spread({})), "3/2", "while it moves");
  assert.equal(readyOf(app({ replicas: 2, placement: { count: 0 } }, {})), "0/2");
  const job = { kind: "Job", job: { completions: 3 }, placement: { count: 2 } };
  assert.equal(readyOf(app(job, { job: { succeeded: 4 } })), "4/6");
  const pods = [
    { name: "web-1", peer: "berlin", ready: true, containers: [{ name: "app" }, { name: "side" }] },
    { name: "web-1", peer: "oslo", ready: true, lastLines: "boom", exitCode: 1 },
  ];
  const rollout = { updated: 1, total: 2, startedAt: "2026-01-01T11:58:00Z" };
  const text = appDetail(app({}, { peers: [at("berlin", { rollout }), at("oslo")], pods }), now);
  assert.match(text, /berlin +Ready +0\/0 .*1 of 2 pods made anew/);
  assert.match(text, /^ +berlin\/web-1 +<none> +yes/m);
  assert.match(text, /^ +berlin\/web-1 +side/m);
  assert.match(text, /The last lines of oslo\/web-1 before it ended with 1/);
});
