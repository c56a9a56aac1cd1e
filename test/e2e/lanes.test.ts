import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { stagesOf } from "./lanes.ts";

const root = new URL("../..", import.meta.url).pathname;
const files = globSync(["test/contract/*.e2e.ts", "test/e2e/*.e2e.ts"], { cwd: root }).sort();

test("each end-to-end test runs in one lane, once", () => {
  const planned = stagesOf(files).flatMap(({ lanes }) => lanes.flat());
  assert.deepEqual(planned.toSorted(), files);
});

test("what is not known runs beside no other test on the clusters", () => {
  const last = stagesOf([...files, "test/e2e/new.e2e.ts"]).at(-1);
  assert.ok(last?.lanes[0]?.includes("test/e2e/new.e2e.ts"));
  assert.deepEqual(last?.lanes.slice(1), [files.filter((file) => /ingress|real-clients/.test(file))]);
  assert.deepEqual(stagesOf(["test/e2e/new.e2e.ts"]), [{ lanes: [["test/e2e/new.e2e.ts"]] }]);
});

/** Whether the test, or what it stands on, can stop an API server or cut the network. */
const disturbs = (file: string): boolean => /\bapiServer\.stop\b|\bopenNetwork\(/.test(read(file));
/** Whether it starts an agent on a cluster that it was given. */
const startsAgents = (file: string): boolean => /\bopenCluster\(|\bopenBorrowing\(|\bopenThreeHosts\(/.test(read(file));

function read(file: string): string {
  return readFileSync(`${root}${file}`, "utf8");
}

test("nothing disturbs a cluster that tests of another lane are using, and agents are in one lane only", () => {
  for (const { lanes } of stagesOf(files)) {
    const onClusters = lanes.filter((lane) =>
      lane.some((file) => /KUBECONFIG_|openCluster|openBorrowing|openThreeHosts/.test(read(file))),
    );
    if (onClusters.length > 1) assert.deepEqual(onClusters.flat().filter(disturbs), []);
    const withAgents = lanes.filter((lane) =>
      lane.some((file) => startsAgents(file) && !file.endsWith("guards.e2e.ts")),
    );
    assert.ok(withAgents.length <= 1, JSON.stringify(withAgents));
  }
});
