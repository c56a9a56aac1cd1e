import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditEntry } from "../../../src/audit/entry.ts";
import { createCallRecord } from "../../../src/console/api/call-record.ts";
import { createFakeClock } from "../../base/fake-clock.ts";

const open: AuditEntry = { action: "app.open", actor: { person: "vera" }, target: "shop/web", verdict: "done" };

test("whoever does very much has it counted, and nobody else's is lost for it", async () => {
  const clock = createFakeClock();
  const told: AuditEntry[] = [];
  const record = createCallRecord({ audit: { record: (entry) => told.push(entry) }, clock });
  for (let i = 0; i < 5_000; i += 1) record.note("user:vera", open);
  assert.equal(told.length, 1_000, "each by itself, also when two are alike");
  record.note("user:carl", { ...open, actor: { person: "carl" } });
  record.always({ ...open, actor: { person: "vera" }, action: "user.create" });
  assert.deepEqual(
    told.slice(1_000).map(({ action, actor }) => [action, actor.person]),
    [
      ["app.open", "carl"],
      ["user.create", "vera"],
    ],
  );
  await clock.advance(2_000);
  assert.match(told.at(-1)?.message ?? "", /^\(the last of 4000 such/);
  record.note("user:vera", { ...open, verdict: "failed" });
  assert.equal(told.at(-1)?.verdict, "failed");
  record.close();
});
