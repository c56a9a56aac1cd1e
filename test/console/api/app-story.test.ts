/** The story of an app: what several places keep of it, in one order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { AuditRecord } from "../../../src/audit/entry.ts";
import { appStory } from "../../../src/console/api/app-story.ts";
import {
  AppHappening_KindSchema,
  AppRevisionSchema,
  AppHappening_Kind as Kind,
} from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { remoteApps } from "../../../src/kube/resources.ts";

const at = (minute: number): string => `2026-01-01T00:${String(minute).padStart(2, "0")}:00Z`;

function record(minute: number, more: Partial<AuditRecord>): AuditRecord {
  const base = { sequence: minute, at: Date.parse(at(minute)), action: "app.scale", verdict: "done" } as const;
  return {
    ...base,
    actor: { person: "ana", peer: "berlin" },
    target: "shop/web",
    instance: "1",
    previous: "",
    hash: "",
    ...more,
  };
}

const app = remoteApps.parse({
  metadata: { namespace: "shop", name: "web", uid: "u-1", creationTimestamp: at(10) },
  spec: { peer: "berlin", image: "web:2" },
  status: {
    peer: "berlin",
    phase: "Ready",
    admission: { verdict: "Denied", decidedAt: at(12), reasons: ["Too much memory."] },
    events: [
      {
        type: "Warning",
        reason: "BackOff",
        object: "Pod web-1",
        message: "again",
        count: 3,
        lastAt: at(15),
        peer: "berlin",
      },
    ],
    conditions: [
      { type: "Ready", status: "True", reason: "Ready", message: "", lastTransitionTime: at(16) },
      { type: "Odd", status: "True", reason: "Odd", message: "", lastTransitionTime: "some day" },
    ],
  },
});

const revisions = [
  create(AppRevisionSchema, { number: 2n, createdAt: at(13), present: true, cause: "faster" }),
  create(AppRevisionSchema, { number: 1n, createdAt: at(11) }),
];

test("it has what was done, run, decided, told and is so, by the time, with who and where", () => {
  const records = [
    record(14, { verdict: "failed", message: "The peer is away." }),
    record(11, { action: "app.deploy" }),
  ];
  const story = appStory(app, { revisions, records });
  assert.deepEqual(
    story.map(({ kind, reason, doneBy, peer, subject, message, isTrouble, count }) => {
      return [
        AppHappening_KindSchema.value[kind]?.localName,
        reason,
        doneBy || peer,
        subject,
        message,
        isTrouble,
        count,
      ];
    }),
    [
      ["ACT", "app.deploy", "ana", "", "", false, 1],
      ["REVISION", "Earlier", "", "revision 1", "", false, 1],
      ["DECISION", "Denied", "berlin", "", "Too much memory.", true, 1],
      ["REVISION", "Present", "", "revision 2", "faster", false, 1],
      ["ACT", "app.scale", "ana", "", "failed: The peer is away.", true, 1],
      ["EVENT", "BackOff", "berlin", "Pod web-1", "again", true, 3],
      ["CONDITION", "Ready", "", "Ready=True", "", false, 1],
    ],
  );
});

test("of what a host decided it has each answer that the audit has, in place of the latest alone", () => {
  const actor = { person: "unknown", peer: "berlin" };
  const answer = { action: "app.answer", actor } as const;
  const records = [
    record(12, { ...answer, verdict: "held", message: "It waits." }),
    record(13, { ...answer, verdict: "allowed" }),
  ];
  const story = appStory(app, { revisions: [], records });
  assert.deepEqual(
    story.filter(({ kind }) => kind === Kind.DECISION).map(({ reason, message, doneBy }) => [reason, message, doneBy]),
    [
      ["Held", "It waits.", ""],
      ["Admitted", "", ""],
    ],
  );
});

test("it has nothing of another app, nor of an earlier one of the name", () => {
  const records = [
    record(11, { target: "shop/other" }),
    record(9, { action: "app.delete" }),
    record(11, { target: "web" }),
  ];
  const story = appStory(app, { revisions: [], records });
  assert.ok(story.every(({ kind }) => kind !== Kind.ACT));
});

test("it has nothing of what a peer runs here under the same name, whatever the peer calls it", () => {
  const actor = { person: "unknown", peer: "hostile", fingerprint: "f" };
  const actions = ["app.admit", "app.stop", "app.resume", "app.remove", "app.decide"];
  const said = { verdict: "denied", message: "Call 555.", actor } as const;
  const records = ["wish:u-1/1", "wish:u-9/1"].flatMap((correlation) =>
    actions.map((action) => record(11, { ...said, action, correlation })),
  );
  assert.deepEqual(appStory(app, { revisions: [], records }), appStory(app, { revisions: [], records: [] }));
});

test("of acts and answers that tell of which app they were, it has its own", () => {
  const actor = { person: "unknown", peer: "berlin", fingerprint: "f" };
  const records = ["wish:u-1/1", "wish:u-9/1"].flatMap((correlation) => [
    record(11, { correlation, message: correlation }),
    record(12, { action: "app.answer", actor, verdict: "held", correlation, message: correlation }),
  ]);
  const story = appStory(app, { revisions: [], records });
  assert.deepEqual(
    story.filter(({ kind }) => kind === Kind.ACT || kind === Kind.DECISION).map(({ message }) => message),
    ["wish:u-1/1", "wish:u-1/1"],
  );
});
