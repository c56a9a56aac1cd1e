import assert from "node:assert/strict";
import { test } from "node:test";
import { format, inspect } from "node:util";
import { SecretText } from "../../src/base/secret-text.ts";

test("a secret shows itself only when asked to", () => {
  const secret = new SecretText("hunter2");
  const nested = { deep: [secret] };
  const printed = [
    `${secret}`,
    JSON.stringify(nested),
    inspect(nested, { depth: 9, showHidden: true }),
    format("%s %o", secret, nested),
  ];
  for (const text of printed) assert.doesNotMatch(text, /hunter2/);
  assert.equal(secret.reveal(), "hunter2");
  assert.deepEqual(Object.keys(secret), []);
});
