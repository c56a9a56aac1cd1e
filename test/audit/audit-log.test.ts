import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuditLog } from "../../src/audit/audit-log.ts";
import { silentLog } from "../../src/base/log.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createFakeClock } from "../base/fake-clock.ts";

test("each entry is one line of JSON in the log, with a schema that stays", () => {
  const lines: string[] = [];
  const clock = createFakeClock(Date.UTC(2026, 10, 21, 12));
  const audit = createAuditLog({ clock, log: createLog({ level: "info", write: (line) => lines.push(line) }) });
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
    action: "peer.join",
    verdict: "denied",
    peer: "berlin",
    fingerprint: "ab".repeat(32),
    person: "ada",
    target: "0123456789",
    rule: "invite/used",
    message: "Another agent has used this invite.",
    correlation: "00ff",
  });
});

test("the latest entries are kept, oldest first, and no more than there is room for", async () => {
  const clock = createFakeClock();
  const audit = createAuditLog({ clock, log: silentLog, keep: 3 });
  for (const action of ["a", "b", "c", "d", "e"]) {
    audit.record({
      action,
      actor: { peer: action < "d" ? "berlin" : "calais" },
      verdict: action === "e" ? "denied" : "done",
    });
    await clock.advance(1_000);
  }
  const actions = (filter = {}): string =>
    audit
      .list(filter)
      .map(({ action }) => action)
      .join("");
  assert.equal(actions(), "cde");
  assert.equal(actions({ peer: "calais" }), "de");
  assert.equal(actions({ verdict: "denied" }), "e");
  assert.equal(actions({ action: "d" }), "d");
  assert.equal(actions({ limit: 2 }), "de");
  assert.equal(actions({ limit: 0 }), "");
  assert.equal(actions({ since: clock.now() - 2_000 }), "de");
  assert.deepEqual(
    audit.list().map(({ sequence }) => sequence),
    [3, 4, 5],
  );
});

test("what a stranger says is cut, and a log that fails loses nothing", () => {
  const audit = createAuditLog({
    clock: createFakeClock(),
    log: { ...silentLog, child: () => ({ ...silentLog, info: () => assert.fail("the disk is full") }) },
  });
  const record = audit.record({ action: "stream.open", actor: {}, target: "x".repeat(100_000), verdict: "denied" });
  assert.equal(record.target?.length, 512);
  assert.equal(audit.list().length, 1);
});
