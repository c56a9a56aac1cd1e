/** Versions of an app between two real clusters: a good one, a bad one and back, and a secret that changes under it. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { type Borrowing, images, type Listed, openBorrowing } from "./borrowing.ts";
import { until } from "./until.ts";

let t: Borrowing;
before(
  async () => {
    t = await openBorrowing();
  },
  { timeout: 120_000 },
);
after(() => t?.close(), { timeout: 120_000 });

interface Pod {
  metadata: { name: string; deletionTimestamp?: string; ownerReferences?: { uid: string }[] };
  spec: { containers: { image: string; env?: { name: string; value?: string }[] }[] };
  status: { phase: string; conditions?: { type: string; status: string }[] };
}

async function readyPods(name: string): Promise<Pod[]> {
  const { items } = await t.b.get<Listed<Pod>>(["pods", "-n", t.hostNamespace]);
  return items.filter(
    ({ metadata, status }) =>
      metadata.name.startsWith(`${name}-`) &&
      metadata.deletionTimestamp === undefined &&
      status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"),
  );
}

const web = {
  image: images.echo,
  replicas: 2,
  ports: [{ containerPort: 8080 }],
  readinessProbe: { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1 },
  strategy: { rollingUpdate: { maxUnavailable: 0 } },
  terminationGracePeriodSeconds: 1,
  progressDeadlineSeconds: 5,
};
const marked = (value: string): object => ({ ...web, env: [{ name: "MARK", value }] });

test("a new version takes over", { timeout: 90_000 }, async () => {
  await t.apply("web", { ...marked("one") });
  await t.ready("web", 2);
  await t.apply("web", { ...marked("two") });
  await t.ready("web", 2);
  const pods = await readyPods("web");
  assert.deepEqual(
    pods.map(({ spec }) => spec.containers[0]?.env?.find(({ name }) => name === "MARK")?.value),
    ["two", "two"],
  );
});

test("a bad version is shown with its reason while the one before goes on, and a rollback ends it", {
  timeout: 90_000,
}, async () => {
  const before = (await readyPods("web")).map(({ metadata }) => metadata.name).sort();
  const image = "example.test/no-such-image:1";
  await t.apply("web", { ...marked("three"), image });
  await t.shows(
    "web",
    "the image that cannot be pulled",
    ({ phase, reason, message }) =>
      phase === "Degraded" && /ImagePull/.test(`${reason} ${message}`) && /no-such-image/.test(`${message}`),
  );
  assert.deepEqual(
    (await readyPods("web")).map(({ metadata }) => metadata.name).sort(),
    before,
    "those of before serve on",
  );
  const history = await t.borrower.cli(["app", "history", "web", "-n", t.namespace]);
  assert.match(history, /3/);
  await t.borrower.cli(["app", "rollback", "web", "-n", t.namespace]);
  const app = await t.ready("web", 2);
  assert.equal(app.status?.updatedReplicas, 2);
  assert.deepEqual(
    (await readyPods("web")).map(({ metadata }) => metadata.name).sort(),
    before,
    "and were never touched",
  );
});

test("a restart makes its pods anew", { timeout: 60_000 }, async () => {
  const before = (await readyPods("web")).map(({ metadata }) => metadata.name);
  await t.borrower.cli(["app", "restart", "web", "-n", t.namespace]);
  await until("two other pods are ready", async () => {
    const now = (await readyPods("web")).map(({ metadata }) => metadata.name);
    return now.length === 2 && now.every((name) => !before.includes(name));
  });
  await t.ready("web", 2);
});

test("a secret that changes here reaches the pods there", { timeout: 90_000 }, async () => {
  const [first, second] = [randomBytes(8).toString("hex"), randomBytes(8).toString("hex")];
  const share = async (word: string): Promise<void> => {
    const metadata = { name: "word", namespace: t.namespace, labels: { "fairlead.dev/shared": "true" } };
    const secret = { apiVersion: "v1", kind: "Secret", metadata, stringData: { word } };
    await t.a.kubectl(["apply", "-f", "-"], JSON.stringify(secret));
  };
  await share(first);
  await t.apply("keeper", {
    image: images.shell,
    command: ["sh", "-c", "echo it is $WORD and $(cat /etc/word/word); sleep 600"],
    secrets: [{ name: "word" }],
    env: [{ name: "WORD", valueFrom: { secretKeyRef: { name: "word", key: "word" } } }],
    volumeMounts: [{ name: "word", mountPath: "/etc/word" }],
    volumes: [{ name: "word", secret: { secretName: "word" } }],
    terminationGracePeriodSeconds: 0,
  });
  const says = (word: string): Promise<true> =>
    until(`a pod says ${word}`, async () => {
      const [pod] = await readyPods("keeper");
      if (!pod) return undefined;
      return (await t.there("logs", pod.metadata.name)).includes(`it is ${word} and ${word}`) || undefined;
    });
  await t.ready("keeper");
  await says(first);
  await share(second);
  await says(second);
  await t.ready("keeper");
  const everything = await Promise.all([
    t.here("get", "remoteapps", "-o", "yaml"),
    t.there("get", "workloads,pods,events", "-o", "yaml"),
  ]);
  for (const word of [first, second])
    assert.ok(!everything.join("").includes(word), "no resource but the Secret holds it");
});
