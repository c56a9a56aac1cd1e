/** Data of an app that outlives its pods, on a real cluster: a StatefulSet whose claims stay over updates, a restart and a rollout that fails. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Borrowing, images, openBorrowing } from "./borrowing.ts";
import { until } from "./until.ts";

let t: Borrowing;
before(
  async () => {
    t = await openBorrowing();
  },
  { timeout: 120_000 },
);
after(() => t?.close(), { timeout: 120_000 });

interface Made {
  metadata: { name: string };
  status: { readyReplicas?: number; updatedReplicas?: number; currentRevision?: string; updateRevision?: string };
}

const store = (version: string): Record<string, unknown> => ({
  kind: "StatefulSet",
  image: images.shell,
  replicas: 2,
  command: ["sh", "-c", `echo ${version} >> /data/log; cat /data/log; sleep 600`],
  claims: [
    {
      name: "data",
      spec: {
        storageClassName: "standard",
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: "1Mi" } },
      },
    },
  ],
  volumeMounts: [{ name: "data", mountPath: "/data" }],
  terminationGracePeriodSeconds: 0,
});

const claims = async (): Promise<string[]> =>
  (await t.there("get", "pvc", "-o", "jsonpath={range .items[*]}{.metadata.name} {.status.phase}{'\\n'}{end}"))
    .trim()
    .split("\n")
    .filter(Boolean);

/** Waits until each pod of the set has said exactly this. */
async function say(lines: string): Promise<void> {
  const { metadata } = await t.hosted<Made>("statefulsets", "store");
  for (const ordinal of [0, 1]) {
    const pod = `${metadata.name}-${ordinal}`;
    await until(`${pod} says ${JSON.stringify(lines)}`, async () => (await t.there("logs", pod)) === lines);
  }
}

test("a StatefulSet's pods have numbers and claims of their own", { timeout: 90_000 }, async () => {
  await t.apply("store", store("one"));
  await t.ready("store", 2);
  await say("one\n");
  const bound = await claims();
  assert.equal(bound.length, 2, bound.join());
  assert.ok(
    bound.every((line) => line.endsWith(" Bound")),
    bound.join(),
  );
});

test("what they hold is there after an update, and after a restart", { timeout: 90_000 }, async () => {
  const before = await claims();
  await t.apply("store", store("two"));
  await t.ready("store", 2);
  await say("one\ntwo\n");
  await t.borrower.cli(["app", "restart", "store", "-n", t.namespace]);
  await say("one\ntwo\ntwo\n");
  await t.ready("store", 2);
  assert.deepEqual(await claims(), before, "the same claims");
});

test("a rollout that fails is gone back from, and no pod loses what it held", { timeout: 150_000 }, async () => {
  const { metadata } = await t.hosted<Made>("statefulsets", "store");
  const uidOf = (ordinal: number): Promise<string> =>
    t.there("get", "pod", `${metadata.name}-${ordinal}`, "-o", "jsonpath={.metadata.uid}");
  const before = { first: await uidOf(0), claims: await claims() };
  await t.apply("store", { ...store("three"), image: "example.test/no-such-image:1" });
  await t.shows("store", "why it fails", ({ phase, reason }) => phase === "Degraded" && reason === "ImagePullBackOff");
  await t.borrower.cli(["app", "rollback", "store", "-n", t.namespace]);
  await t.ready("store", 2);
  const [first, last] = [await t.there("logs", `${metadata.name}-0`), await t.there("logs", `${metadata.name}-1`)];
  assert.deepEqual([first, last], ["one\ntwo\ntwo\n", "one\ntwo\ntwo\ntwo\n"]);
  assert.deepEqual({ first: await uidOf(0), claims: await claims() }, before, "the same claims, and a pod left alone");
});

test("deleting the app deletes what it held", { timeout: 60_000 }, async () => {
  await t.here("delete", "remoteapp", "store", "--timeout=50s");
  await until("no claim is left", async () => (await claims()).length === 0);
});
