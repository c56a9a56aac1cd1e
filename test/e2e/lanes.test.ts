import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { environmentOf, type Lane, pairsIn, stagesOf } from "./lanes.ts";

const root = new URL("../..", import.meta.url).pathname;
const files = globSync(["test/contract/*.e2e.ts", "test/e2e/*.e2e.ts"], { cwd: root }).sort();

test("each end-to-end test runs in one lane, once", () => {
  for (const pairs of [1, 2] as const) {
    const planned = stagesOf(files, pairs).flatMap(({ lanes }) => lanes.flatMap((lane) => lane.files));
    assert.deepEqual(planned.toSorted(), files);
  }
});

test("what is not known runs beside no other test on the clusters", () => {
  const last = stagesOf([...files, "test/e2e/new.e2e.ts"], 1).at(-1);
  assert.ok(last?.lanes[0]?.files.includes("test/e2e/new.e2e.ts"));
  assert.deepEqual(
    last?.lanes.slice(1).map((lane) => lane.files),
    [files.filter((file) => /ingress|real-clients/.test(file))],
  );
  assert.deepEqual(stagesOf(["test/e2e/new.e2e.ts"], 1), [{ lanes: [{ files: ["test/e2e/new.e2e.ts"], pair: 1 }] }]);
});

test("a second pair of clusters is all there is for the tests that have it", () => {
  const env = { KUBECONFIG_A: "a", KUBECONFIG_B: "b", KUBECONFIG_C: "c", KUBECONFIG_D: "d", NETWORK_CUT_CD: "cut c d" };
  assert.equal(pairsIn(env), 2);
  assert.equal(pairsIn({ KUBECONFIG_A: "a", KUBECONFIG_B: "b" }), 1);
  assert.deepEqual(environmentOf(1, env), {});
  assert.deepEqual(environmentOf(2, env), { KUBECONFIG_A: "c", KUBECONFIG_B: "d", NETWORK_CUT: "cut c d" });
});

/** Whether the test, or what it stands on, can stop an API server or cut the network. */
const disturbs = (file: string): boolean => /\bapiServer\.stop\b|\bopenNetwork\(/.test(read(file));
/** Whether it starts an agent on a cluster that it was given. */
const startsAgents = (file: string): boolean => /\bopenCluster\(|\bopenBorrowing\(|\bopenThreeHosts\(/.test(read(file));

function read(file: string): string {
  return readFileSync(`${root}${file}`, "utf8");
}

test("nothing disturbs a cluster that tests of another lane are using, and agents are in one lane only", () => {
  const stages = ([1, 2] as const).flatMap((pairs) => stagesOf(files, pairs));
  for (const lanes of stages.flatMap(({ lanes: all }) => [of(all, 1), of(all, 2)])) {
    const onClusters = lanes.filter((lane) =>
      lane.files.some((file) => /KUBECONFIG_|openCluster|openBorrowing|openThreeHosts/.test(read(file))),
    );
    if (onClusters.length > 1) assert.deepEqual(onClusters.flatMap((lane) => lane.files).filter(disturbs), []);
    const withAgents = lanes.filter((lane) =>
      lane.files.some((file) => startsAgents(file) && !file.endsWith("guards.e2e.ts")),
    );
    assert.ok(withAgents.length <= 1, JSON.stringify(withAgents));
  }
});

function of(lanes: readonly Lane[], pair: 1 | 2): Lane[] {
  return lanes.filter((lane) => lane.pair === pair);
}
