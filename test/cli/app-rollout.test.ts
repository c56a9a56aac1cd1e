/** How far a rollout is, by what the host says; and what else is told of one app: its events, and all of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { rolloutAtPeers, rolloutState } from "../../src/cli/app-rollout.ts";
import { exitCode } from "../../src/cli/errors.ts";
import { type App, AppSchema, AppHappening_Kind as Kind } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { RemoteAppStatusSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { openOffices } from "./offices.ts";

function app(status: MessageInitShape<typeof RemoteAppStatusSchema>, deletedAt = ""): App {
  return create(AppSchema, {
    metadata: { namespace: "default", name: "web", uid: "u-1", generation: 4n, deletedAt },
    spec: { peer: "west", image: "web:2" },
    status: create(RemoteAppStatusSchema, { observedGeneration: 4, ...status }),
  });
}

const rollout = { updated: 2, updatedReady: 1, old: 1, total: 3 };

const cases: readonly [string, App, string | RegExp, number | undefined][] = [
  [
    "it is under way",
    app({ phase: "Progressing", rollout }),
    "2 of 3 new pods are there, 1 of them ready, 1 old one is still there",
    undefined,
  ],
  ["it is done", app({ phase: "Ready", message: "3 of 3 pods are ready." }), "rolled out: 3 of 3 pods are ready.", 0],
  [
    "the peer has not heard of it",
    app({ phase: "Ready", observedGeneration: 3 }),
    "its peer has not heard of the change yet",
    undefined,
  ],
  [
    "there is no link",
    app({ phase: "Unknown", conditions: [{ type: "Connected", status: "False", reason: "LinkDown" }] }),
    "there is no link to west now; this goes there as soon as there is one",
    undefined,
  ],
  [
    "the deadline has passed",
    app({ phase: "Degraded", reason: "DeadlineExceeded", message: "1 of 3.", rollout }),
    /no more within its progressDeadlineSeconds: 1 of 3\./,
    exitCode.failed,
  ],
  [
    "it is paused in the middle",
    app({ phase: "Progressing", rollout: { ...rollout, paused: true } }),
    /^paused: 2 of 3/,
    exitCode.failed,
  ],
  ["it is held", app({ phase: "Held", message: "a new image" }), "held: a new image", exitCode.held],
  ["it is denied", app({ phase: "Denied", message: "too large" }), "denied: too large", exitCode.denied],
  ["it is being deleted", app({}, "2026-01-01T00:00:00Z"), "it is being deleted", exitCode.failed],
];

test("of several peers each tells how far it is there", () => {
  const at = (peer: string, phase: string, more = {}) => ({ peer, phase, ...more });
  const peers = [
    at("berlin", "Ready", { message: "All pods are ready." }),
    at("oslo", "Progressing", { rollout }),
    at("rome", "Denied", { reason: "Denied", message: "rome: too large" }),
    at("turin", "Progressing", { leaving: true, reason: "Moving" }),
  ];
  assert.deepEqual(rolloutAtPeers(app({ phase: "Denied", peers })), [
    "  at berlin: rolled out",
    "  at oslo: Progressing, 2 of 3 new pods are there, 1 of them ready, 1 old one is still there",
    "  at rome: Denied, rome: too large",
    "  at turin: it is to end there; Progressing, Moving",
  ]);
  assert.deepEqual(rolloutAtPeers(app({ phase: "Ready", peers: peers.slice(0, 1) })), []);
});

for (const [when, given, says, ends] of cases) {
  test(`a rollout when ${when}`, () => {
    const { text, isDone, failure } = rolloutState(given);
    if (typeof says === "string") assert.equal(text, says);
    else assert.match(text, says);
    assert.deepEqual([isDone, failure?.code], [ends === 0, ends === 0 ? undefined : ends]);
  });
}

test("rollout status --no-watch says how far it is and fails when it cannot be done, with what to do", async () => {
  const offices = openOffices();
  offices.apps.getApp = () => ({ app: app({ phase: "Progressing", rollout }) });
  const going = await offices.run(["app", "rollout", "status", "web", "--no-watch"]);
  assert.deepEqual([going.code, going.out.slice(0, 10)], [0, "web: 2 of "]);
  offices.apps.getApp = () => ({ app: app({ phase: "Degraded", reason: "DeadlineExceeded", rollout }) });
  const failed = await offices.run(["app", "rollout", "status", "web", "--no-watch"]);
  assert.equal(failed.code, exitCode.failed);
  assert.match(failed.err, /error: web: it moved no more[\s\S]*try: fairlead app rollback web -n default\n/);
});

const events = [
  {
    type: "Warning",
    reason: "BackOff",
    object: "Pod web-1",
    message: "back-off\u001b[2J",
    lastAt: "2026-01-01T00:00:05Z",
    count: 3,
    peer: "west",
  },
  { type: "Normal", reason: "Pulled", object: "Pod web-1", message: "pulled", lastAt: "2026-01-01T00:00:01Z" },
];

test("events are told the latest last, in each format, and harmless", async () => {
  const offices = openOffices();
  offices.apps.getApp = () => ({ app: app({ phase: "Ready", events }) });
  const { out } = await offices.run(["app", "events", "web"]);
  assert.match(
    out,
    /^LAST +TYPE +REASON +OBJECT +MESSAGE\n\S+ +Normal +Pulled +Pod web-1 +pulled\n\S+ +Warning +BackOff +Pod web-1 +back-off *\n$/,
  );
  assert.ok(!out.includes("\u001b"));
  const listed = JSON.parse((await offices.run(["app", "events", "web", "-o", "json"])).out);
  assert.deepEqual(
    listed.items.map((one: { reason: string; count?: number }) => [one.reason, one.count]),
    [
      ["Pulled", undefined],
      ["BackOff", 3],
    ],
  );
  offices.apps.getApp = () => ({ app: app({ phase: "Ready" }) });
  assert.match((await offices.run(["app", "events", "web"])).err, /Nothing happened to web at its hosts lately/);
});

test("describe tells all of it: spec, status, pods, rollout, job, and what has happened", async () => {
  const offices = openOffices();
  const pods = [{ name: "web-1", phase: "Running", ready: true }];
  const status = { phase: "Progressing", revision: 2, rollout, events, pods, job: { succeeded: 1 } };
  offices.apps.getApp = () => ({ app: app(status) });
  offices.apps.getAppStory = () => ({
    happenings: [
      { at: "2026-01-01T00:00:00Z", kind: Kind.ACT, reason: "app.deploy", doneBy: "ana", count: 1 },
      { at: "2026-01-01T00:00:01Z", kind: Kind.REVISION, subject: "revision 2", message: "web:2: faster", count: 1 },
      {
        at: "2026-01-01T00:00:02Z",
        kind: Kind.EVENT,
        subject: "Pod web-1",
        reason: "BackOff",
        isTrouble: true,
        count: 3,
      },
    ],
  });
  const { out, code } = await offices.run(["app", "describe", "web"]);
  assert.equal(code, 0);
  for (const part of [
    /^web\n {2}Namespace +default\n/,
    /Revision +2\n/,
    /Rollout +2 of 3 new/,
    /\nSpec:\n {2}peer: west\n/,
    /\nStatus:\n/,
    /web-1 +Running/,
    /\nJob:\n {2}succeeded: 1\n/,
    /\nStory:\n.*\n.*done here.*app\.deploy +ana.*\n.*revision 2 .*web:2: faster\n.*event +Pod web-1 +BackOff/,
  ]) {
    assert.match(out, part);
  }
});
