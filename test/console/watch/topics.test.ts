/** The topics that can be watched, as the page about them tells. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { allTopics, hasSelector, methodOf, topicName } from "../../../src/console/watch/topics.ts";

test("docs/watch.md tells of each topic who may watch it and what it may be narrowed by", () => {
  const page = readFileSync(new URL("../../../docs/watch.md", import.meta.url), "utf8");
  const rows = page.split("\n").filter((line) => /^\| `[a-z_]+` \|/.test(line));
  const told = rows.map((row) => {
    const [, topic, , who, narrowed] = row.split("|").map((cell) => cell.trim());
    return [topic, who, narrowed];
  });
  const known = allTopics.map((topic) => {
    const selectors = (["namespace", "peer", "labelSelector"] as const).filter((one) => hasSelector(topic, one));
    return [
      `\`${topicName(topic).replace("TOPIC_", "").toLowerCase()}\``,
      `as ${methodOf(topic).name}`,
      ["name", ...selectors].map((one) => `\`${one}\``).join(" "),
    ];
  });
  assert.deepEqual(told.sort(), known.sort());
});
