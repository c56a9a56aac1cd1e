import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createAuditLog } from "../../src/audit/audit-log.ts";
import { formatRecord, longestLine, parseRecord, sealEntry } from "../../src/audit/entry.ts";
import { verifyAuditLines } from "../../src/base/audit-chain.ts";
import { noPrevious } from "../../src/base/audit-line.ts";
import { silentLog } from "../../src/base/log.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createFakeClock } from "../base/fake-clock.ts";

const instance = `${"0".repeat(31)}1`;

test("each entry is one line of JSON in the log, with a schema that stays", () => {
  const lines: string[] = [];
  const clock = createFakeClock(Date.UTC(2026, 10, 21, 12));
  const log = createLog({ level: "info", write: (line) => lines.push(line) });
  const audit = createAuditLog({ clock, log, instance });
  audit.record({
    action: "peer.join",
    actor: { fingerprint: "ab".repeat(32), peer: "berlin", person: "ada" },
    target: "0123456789",
    verdict: "denied",
    rule: "invite/used",
    message: "Another agent has used this invite.",
    correlation: "00ff",
  });
  audit.record({ action: "invite.create", actor: {}, verdict: "done" });
  assert.equal(lines.length, 2);
  const { level: _level, time: _logged, msg, ...entry } = JSON.parse(lines[0] ?? "");
  assert.equal(msg, "audit");
  assert.deepEqual(entry, {
    audit: true,
    schema: "fairlead.audit/v1",
    sequence: 1,
    at: "2026-11-21T12:00:00.000Z",
    instance,
    action: "peer.join",
    verdict: "denied",
    peer: "berlin",
    fingerprint: "ab".repeat(32),
    person: "ada",
    target: "0123456789",
    rule: "invite/used",
    message: "Another agent has used this invite.",
    correlation: "00ff",
    previous: noPrevious,
    hash: "7a012faa2044340a5711bc6fa3b3d554fbd0b2301060b23933b83894d5d72dc6",
  });
});

test("a person whom nobody can know is said to be unknown", () => {
  const audit = createAuditLog({ clock: createFakeClock(), log: silentLog });
  const asked = audit.record({ action: "app.admit", actor: { peer: "berlin" }, verdict: "allowed" });
  assert.equal(asked.actor.person, "unknown");
  assert.equal(formatRecord(asked).person, "unknown");
});

test("no level of the log but silence keeps the record quiet", () => {
  const lines: string[] = [];
  const log = createLog({ level: "error", write: (line) => lines.push(line) });
  const audit = createAuditLog({ clock: createFakeClock(), log });
  log.info({}, "not heard");
  audit.record({ action: "invite.create", actor: {}, verdict: "done" });
  log.setLevel("silent");
  audit.record({ action: "invite.create", actor: {}, verdict: "done" });
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).msg),
    ["audit"],
  );
});

test("the latest entries are kept, oldest first, and no more than there is room for", async () => {
  const clock = createFakeClock();
  const audit = createAuditLog({ clock, log: silentLog, keep: 3 });
  for (const action of ["a.x", "b.x", "c.x", "dd.x", "d.x"]) {
    const verdict = action === "d.x" ? "denied" : "done";
    audit.record({ action, actor: { peer: action < "d" ? "berlin" : "calais" }, verdict, correlation: action });
    await clock.advance(1_000);
  }
  const actions = (filter = {}): string =>
    audit
      .list(filter)
      .map(({ action }) => action)
      .join(" ");
  assert.equal(actions(), "c.x dd.x d.x");
  assert.equal(actions({ peer: "calais" }), "dd.x d.x");
  assert.equal(actions({ verdict: "denied" }), "d.x");
  assert.equal(actions({ action: "d.x" }), "d.x");
  assert.equal(actions({ action: "d" }), "d.x", "a noun stands for all of its verbs, and for no longer noun");
  assert.equal(actions({ correlation: "dd.x" }), "dd.x");
  assert.equal(actions({ limit: 2 }), "dd.x d.x");
  assert.equal(actions({ limit: 0 }), "");
  assert.equal(actions({ since: clock.now() - 2_000 }), "dd.x d.x");
  assert.deepEqual(
    audit.list().map(({ sequence }) => sequence),
    [3, 4, 5],
  );
});

test("a log that fails loses nothing", () => {
  const audit = createAuditLog({
    clock: createFakeClock(),
    log: { ...silentLog, child: () => ({ ...silentLog, info: () => assert.fail("the disk is full") }) },
  });
  audit.record({ action: "stream.open", actor: {}, verdict: "denied" });
  assert.equal(audit.list().length, 1);
});

test("Secrets never reach the audit", async () => {
  const secrets = [
    "fairlead-invite:v1:CiB3c3M6Ly9lYXN0",
    "flt_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
    "c2VjcmV0LXRva2Vu",
    "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----",
    "hunter2hunter2",
  ];
  const [invite, token, jwt, bearer, pem, password] = secrets;
  const message = `no "${invite}", ${token}, ${jwt}; Authorization: Bearer ${bearer}, ${pem} https://ada:${password}@x/ password=${password} {"token":"${password}"}`;
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => lines.push(line) });
  const audit = createAuditLog({ clock: createFakeClock(), log });
  for (const text of [message, ...secrets.slice(0, 3), `${"x".repeat(300)} ${token}`]) {
    const actor = { peer: text, person: text, fingerprint: text };
    audit.record({
      action: text,
      actor,
      verdict: "failed",
      target: text,
      rule: text,
      message: text,
      correlation: text,
    });
  }
  for (const secret of secrets) {
    for (const part of [secret, secret.slice(0, 24), "MHcCAQEE"]) assert.ok(!lines.join("").includes(part), part);
  }
  assert.match(lines[0] ?? "", /"message":"no \\"\[secret\]\\", \[secret\], \[secret\]; Auth/);
  assert.match(lines[0] ?? "", /https:\/\/ada:\[secret\]@x\//);
  assert.deepEqual((await verifyAuditLines(lines)).problems, [], "what is masked is masked before it is hashed");
});

test("what a stranger says is cut, cannot steer a terminal, and never makes a line longer than there is room for", () => {
  const place = { sequence: Number.MAX_SAFE_INTEGER, at: 0, instance: "f".repeat(32), previous: noPrevious };
  const said = fc.oneof(
    fc.string({ unit: "binary", maxLength: 3_000 }),
    fc.string({ unit: fc.constantFrom("\u0001", '"', "\\", "€", "🦭", "\ud800", "\u202e", "x"), maxLength: 3_000 }),
    fc.string({ unit: fc.constantFrom("🦭", '"'), minLength: 1_000, maxLength: 3_000 }),
  );
  fc.assert(
    fc.property(said, (text) => {
      const actor = { peer: text, fingerprint: text, person: text };
      const rest = { action: text, target: text, rule: text, message: text, correlation: text };
      const record = sealEntry({ ...rest, actor, verdict: "allowed" }, place);
      const line = JSON.stringify(formatRecord(record));
      assert.ok(Buffer.byteLength(line) < longestLine, `${Buffer.byteLength(line)} bytes`);
      assert.doesNotMatch(line, /\p{Cc}|\u202e|\\u/u);
      assert.deepEqual(parseRecord(line), record);
    }),
    { numRuns: 200 },
  );
});

test("a long text ends in an ellipsis, and a short one stays", () => {
  const place = { sequence: 1, at: 0, instance, previous: noPrevious };
  const seal = (target: string): string | undefined =>
    sealEntry({ action: "stream.open", actor: {}, target, verdict: "denied" }, place).target;
  assert.equal(seal("x".repeat(384)), "x".repeat(384));
  assert.equal(seal("x".repeat(385)), `${"x".repeat(381)}…`);
  assert.equal(seal(`${"x".repeat(379)}🦭🦭`), `${"x".repeat(379)}…`, "no half of a character is left");
});
