/**
 * An attacking peer: whatever it says, nothing of anybody else changes, the honest are served, nothing grows without bound, and the audit
 * tells of it. Each attack is a row of a table; docs/security.md shows the same table.
 */
import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { attacks } from "./attacks.ts";

let field: ChildProcess;

before(async () => {
  field = fork(fileURLToPath(new URL("field.ts", import.meta.url)), { stdio: "inherit", execArgv: [] });
  assert.equal(await heard(), "ready");
});

after(async () => {
  if (!field.connected) return;
  field.send("close");
  await once(field, "exit");
});

describe("an attacking peer gets nowhere", () => {
  for (const { name } of attacks) {
    test(name, async () => {
      field.send(name);
      const wrong = await heard();
      if (wrong !== "") throw new Error(String(wrong));
    });
  }

  test("and after all of that the audit is whole", async () => {
    field.send("audit");
    assert.equal(await heard(), "");
  });
});

/** What the other process says next; rejects when it ends instead. */
async function heard(): Promise<unknown> {
  const over = new AbortController();
  const ended = once(field, "exit", { signal: over.signal }).then(() => {
    throw new Error("The process in which the attacks take place has ended.");
  });
  ended.catch(() => undefined); // Of no interest once there is an answer.
  try {
    const [message]: unknown[] = await Promise.race([once(field, "message", { signal: over.signal }), ended]);
    return message;
  } finally {
    over.abort();
  }
}
