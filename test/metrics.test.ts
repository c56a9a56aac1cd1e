/** docs/metrics.md says what an agent exposes, and what is exposed keeps to Prometheus' conventions. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { agentMetrics, metricsPage } from "../docs/generate-metrics.ts";

const page = readFileSync(new URL("../docs/metrics.md", import.meta.url), "utf8");
const byName = new Map(agentMetrics.map((metric) => [metric.name, metric]));

test("the page of metrics says what the program exposes (make docs brings it up to date)", () => {
  assert.equal(page, metricsPage);
});

test("every metric has a name by the conventions and a sentence that explains it", () => {
  for (const { name, kind, help, labels } of agentMetrics) {
    assert.match(name, /^fairlead_[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
    assert.equal(kind === "counter", name.endsWith("_total"), `${name}: a counter, and only a counter, ends in _total`);
    assert.doesNotMatch(
      name,
      /_(ms|milliseconds|minutes|kib|mib|kilobytes|percent)(_|$)/,
      `${name}: seconds and bytes`,
    );
    assert.match(help, /^[A-Z0-9].*\.$/, `${name} is explained by a sentence`);
    // Addresses, ids and messages have no bound; a peer is one of the roster's.
    for (const label of labels)
      assert.ok(
        [
          "peer",
          // Of a Forward, as many as somebody has written.
          "namespace",
          "forward",
          "from",
          "to",
          "state",
          "path",
          "class",
          "by",
          "reason",
          "outcome",
          "version",
          "kind",
          "verdict",
          "way",
        ].includes(label),
        label,
      );
  }
  assert.equal(byName.size, agentMetrics.length, "no name twice");
});

test("the example alerts are rules that name metrics and labels which exist", () => {
  const yaml = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
  const { groups } = parse(yaml) as { groups: { rules: { alert: string; expr: string }[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length >= 5);
  for (const { alert, expr } of rules) {
    const used = [...expr.matchAll(/(fairlead_[a-z_]+)(?:\{([a-z]+)=)?/g)];
    assert.ok(used.length > 0, alert);
    for (const [, name = "", label] of used) {
      const metric = byName.get(name);
      assert.ok(metric, `${alert} names ${name}`);
      if (label !== undefined) assert.ok(metric.labels.includes(label), `${alert}: ${name} has no label ${label}`);
    }
  }
});
