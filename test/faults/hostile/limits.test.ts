/** Each limit of docs/limits.md is met by somebody hostile, who is stopped for the reason that is written there, and nobody else suffers. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import type { Breach } from "./breach.ts";
import { peers } from "./peers.ts";
import { strangers } from "./strangers.ts";

const page = readFileSync(new URL("../../../docs/limits.md", import.meta.url), "utf8");

for (const [whose, breaches] of Object.entries({ strangers, peers })) {
  suite(`limits of ${whose}`, () => {
    for (const { limit, attack, run } of breaches) test(`${limit}: ${attack}`, run);
  });
}

test("each limit that is written down is tried, and each that is tried is written down", () => {
  const written = [...page.matchAll(/^\| \*\*(.+?)\*\* \|/gm)].map(([, limit]) => limit);
  const tried = [...strangers, ...peers].map(({ limit }: Breach) => limit);
  assert.deepEqual([...new Set(written)].sort(), [...new Set(tried)].sort());
  assert.equal(new Set(written).size, written.length);
});
