/** What the origin makes of a host's words about admission, whatever the host says. Pure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJsonString, toJson } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import {
  type RemoteAppStatus,
  RemoteAppStatusSchema,
} from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { decide } from "../../src/workloads/origin/decide.ts";
import type { Decision, PeerView } from "../../src/workloads/origin/facts.ts";
import { readHostStatus } from "../../src/workloads/origin/host-status.ts";
import { remoteApp, wordOf } from "./objects.ts";

const now = Date.UTC(2026, 0, 1);
const up: PeerView = { known: true, connected: true, since: now - 60_000 };
const finding = { rule: "quota/pods", field: "replicas", message: "too many", asked: "5", allowed: "3" };
const app = remoteApp({}, { finalizers: ["fairlead.dev/remoteapp"], annotations: { "fairlead.dev/held-by": "osaka" } });
const hash = wordOf(app).wish?.hash ?? "";
const unasked = {
  word: wordOf(app),
  peers: () => [],
  would: () => undefined,
  endsInMs: () => Number.POSITIVE_INFINITY,
};

/** What follows when the host says this of the present wish. */
function hear(status: object, before?: RemoteAppStatus, at = now): Decision {
  const state = { generation: 1, hash, status: readHostStatus(JSON.stringify(status)), at };
  return decide({ app, before, heard: [{ peer: "osaka", state }], peer: () => up, ...unasked, now: at });
}

function refuse(violations: Partial<typeof finding>[], before?: RemoteAppStatus, at = now): Decision {
  const refusal = {
    reason: "Denied",
    message: "too many",
    violations: violations.map((one) => ({ ...finding, ...one })),
  };
  const heard = [{ peer: "osaka", refused: { hash, refusal } }];
  return decide({ app, before, heard, peer: () => up, ...unasked, now: at });
}

const held = { phase: "Held", reason: "Held", message: "It waits.", admission: admission("Held") };

function admission(verdict: string, more: object = {}) {
  const decidedAt = "2026-01-01T00:00:00Z";
  return { verdict, decidedAt, reasons: ["too many"], findings: [finding], ...more };
}

test("Held is shown with its rules, and the approval and the denial that follow are Events and answers", () => {
  const first = hear(held);
  assert.equal(first.status?.phase, "Held");
  assert.deepEqual(
    first.status?.admission?.findings.map(({ rule, asked, allowed }) => [rule, asked, allowed]),
    [["quota/pods", "5", "3"]],
  );
  assert.deepEqual(
    first.happenings.map(({ reason, type }) => [reason, type]),
    [["Held", "Normal"]],
  );
  assert.deepEqual(first.answers[0], { peer: "osaka", verdict: "Held", rule: "quota/pods", message: "too many" });
  assert.equal(first.status?.conditions.find(({ type }) => type === "Admitted")?.reason, "Held");
  const again = hear(held, first.status, now + 1000);
  assert.deepEqual([again.happenings, again.answers[0]], [[], undefined]);

  const approved = {
    phase: "Progressing",
    reason: "RollingOut",
    message: "",
    admission: { verdict: "Admitted", message: "fine", until: "2026-01-02T00:00:00Z" },
  };
  const next = hear(approved, first.status);
  assert.deepEqual(
    next.happenings.map(({ reason }) => reason),
    ["Approved", "RollingOut"],
  );
  assert.match(next.happenings[0]?.note ?? "", /until 2026-01-02T00:00:00Z: fine/);
  assert.equal(next.answers[0]?.verdict, "Admitted");

  const denied = hear(
    { phase: "Denied", reason: "Denied", message: "no", admission: admission("Denied") },
    first.status,
  );
  assert.deepEqual(
    denied.happenings.map(({ reason, type }) => [reason, type]),
    [["Denied", "Warning"]],
  );
  assert.equal(denied.status?.conditions.find(({ type }) => type === "Admitted")?.status, "False");
});

test("a refusal shows its rules as the admission of the app, with the time of the first such answer", () => {
  const first = refuse([{}]);
  assert.deepEqual(
    [first.status?.phase, first.status?.admission?.verdict, first.status?.admission?.findings[0]?.allowed],
    ["Denied", "Denied", "3"],
  );
  assert.equal(first.answers[0]?.rule, "quota/pods");
  const again = refuse([{}], first.status, now + 5000);
  assert.equal(again.status?.admission?.decidedAt, "2026-01-01T00:00:00Z");
  const other = refuse([{ rule: "images/denied", message: "that image" }], first.status, now + 5000);
  assert.equal(other.status?.admission?.decidedAt, "2026-01-01T00:00:05Z");
  assert.equal(other.answers[0]?.rule, "images/denied");
});

test("an older host says nothing of admission, and a newer one may say more", () => {
  const old = hear({ phase: "Ready", reason: "AllReady", message: "All." });
  assert.equal(old.status?.admission, undefined);
  assert.equal(old.status?.conditions.find(({ type }) => type === "Admitted")?.status, "True");
  assert.equal(old.answers[0], undefined);
  const more = { ...admission("Held", { quorum: 3 }), by: "ada" };
  const newer = hear({ ...held, admission: more, more: { of: "it" } });
  assert.equal(newer.status?.admission?.verdict, "Held");
  assert.equal(
    JSON.stringify(toJson(RemoteAppStatusSchema, newer.status ?? fromJsonString(RemoteAppStatusSchema, "{}"))).includes(
      "ada",
    ),
    false,
  );
});

test("a hostile host's words about admission are cut, made plain, and left out where the API server would not take them", () => {
  const long = "x".repeat(10_000);
  const findings = Array.from({ length: 300 }, () => ({
    ...finding,
    message: long,
    asked: long,
    rule: `r\u001b[31m\u202e${long}`,
  }));
  const reasons = Array.from({ length: 300 }, () => `\u0000\u001b]0;owned\u0007${long}`);
  const { status } = hear({
    ...held,
    admission: { ...admission("Held"), findings, reasons, message: long, decidedAt: "soon", until: "never" },
  });
  const { admission: shown } = status ?? {};
  assert.deepEqual([shown?.findings.length, shown?.reasons.length], [64, 64]);
  assert.equal(shown?.decidedAt, undefined);
  assert.equal(shown?.until, undefined);
  const text = JSON.stringify(shown);
  assert.ok(text.length < 300_000, `${text.length} characters`);
  for (const control of ["\\u001b", "\\u0000", "\\u0007", "\u202e"])
    assert.equal(text.includes(control), false, control);
  assert.equal(hear({ ...held, admission: { verdict: "Blessed" } }).status?.admission, undefined);
  assert.equal(
    hear({ ...held, admission: admission("Held", { findings: [{ message: "no rule" }] }) }).status?.admission?.findings
      .length,
    0,
  );
});

test("whatever a host says, the status that comes of it is one that the API server takes", () => {
  const validator = createValidator();
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("Held", "Denied", "Admitted", "2026-01-01T00:00:00Z"),
  );
  const said = fc.record({ rule: text, field: text, message: text, asked: text, allowed: text }, { requiredKeys: [] });
  const host = fc.record(
    {
      phase: fc.constantFrom("Held", "Denied", "Ready", "Nonsense"),
      reason: text,
      message: text,
      admission: fc.record(
        {
          verdict: text,
          reasons: fc.array(text),
          decidedAt: text,
          findings: fc.array(said),
          message: text,
          until: text,
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ["phase"] },
  );
  fc.assert(
    fc.property(host, (words) => {
      const { status } = hear(words);
      assert.ok(status);
      const result = validator.validate(RemoteAppStatusSchema, status);
      assert.equal(result.kind, "valid", JSON.stringify(words));
    }),
    { numRuns: 300 },
  );
});
