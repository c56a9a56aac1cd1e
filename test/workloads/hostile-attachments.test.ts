/** Attacks by what comes beside a spec: at a host by its peers, and at an origin by who may write RemoteApps, and by its hosts. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Code } from "@connectrpc/connect";
import type { SyncResponse } from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { secrets } from "../../src/kube/resources.ts";
import { agentNamespace } from "../policy/open-policy.ts";
import { begin, nothing, speak, startWithMallory, wish } from "./mallory.ts";
import { applyApp, deployments, held, hostIsEmpty, never, phaseOf, startTown, statusOf } from "./story.ts";
import type { Town } from "./town.ts";

type Attachment = { kind: string; name: string; type?: string; data: { [key: string]: Uint8Array } };

const spec = JSON.stringify({ image: "web:1", secrets: [{ name: "db" }] });

function secret(change: Partial<Attachment> = {}): Attachment {
  return { kind: "Secret", name: "db", data: { password: Buffer.from("open sesame") }, ...change };
}

function refusals(answers: readonly SyncResponse[]) {
  return answers.flatMap(({ message }) => (message.case === "refusal" ? [message.value] : []));
}

/** What a peer's wish with these attachments is answered. */
async function refused(t: TestContext, town: Town, attachments: Attachment[], change: object = {}) {
  const { answers, end } = await speak(t, town, [begin, nothing, wish({ spec, attachments, ...change })]);
  await town.until("answered", () => refusals(answers).length > 0 || end() !== undefined);
  return { refusal: refusals(answers)[0], end: end() };
}

test("what comes with an app must be exactly what its spec names, and of a type that a peer may bring", async (t) => {
  const town = await startWithMallory(t);
  const cases: [string, Attachment[], RegExp, object?][] = [
    ["nothing came", [], /secrets\[0\]: the Secret db did not come/],
    ["of another kind", [secret({ kind: "ConfigMap" })], /did not come/],
    [
      "one that no spec names",
      [secret(), secret({ name: "more" })],
      /Secret more came with the app, and nothing of its spec names it/,
    ],
    ["one without a spec that brings any", [secret()], /nothing of its spec names it/, { spec: '{"image":"web:1"}' }],
    ["one twice", [secret(), secret({ data: {} })], /came twice/],
    [
      "a token of a service account",
      [secret({ type: "kubernetes.io/service-account-token" })],
      /of a type that no peer may bring/,
    ],
    [
      "a token to join nodes by",
      [secret({ type: "bootstrap.kubernetes.io/token" })],
      /of a type that no peer may bring/,
    ],
    [
      "hashes that the host writes",
      [secret()],
      /secrets\[0\]\.hash/,
      { spec: JSON.stringify({ image: "web:1", secrets: [{ name: "db", hash: "a".repeat(64) }] }) },
    ],
    ["more than fits", [secret({ data: { a: Buffer.alloc(2 * 1024 * 1024) } })], /2097152 at most/],
  ];
  for (const [what, attachments, says, change] of cases) {
    const { refusal } = await refused(t, town, attachments, change);
    assert.match(refusal?.message ?? "", says, what);
  }
  assert.ok(hostIsEmpty(town));
  assert.deepEqual(town.agent("osaka").cluster.all("secrets"), []);
});

test("kinds, names and keys that are none end the conversation, without a word of what was in them", async (t) => {
  const town = await startWithMallory(t);
  const value = Buffer.from("open sesame");
  const cases: Attachment[][] = [
    [secret({ kind: "Pod" })],
    [secret({ name: "../fairlead-identity" })],
    [secret({ name: "fairlead-system/fairlead-identity" })],
    [secret({ data: { "../x": value } })],
    [secret({ data: { "a b": value } })],
    [secret({ data: Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, value])) })],
    Array.from({ length: 65 }, (_, index) => secret({ name: `db-${index}` })),
  ];
  for (const attachments of cases) {
    const { end } = await refused(t, town, attachments);
    assert.equal(end?.code, Code.InvalidArgument, end?.message);
    assert.doesNotMatch(end?.message ?? "", /open sesame/);
  }
  assert.deepEqual(town.agent("osaka").cluster.all("secrets"), []);
});

test("no name leads to an object that is another's: what is there stays as it is, and the peer's own is made beside it", async (t) => {
  const town = await startWithMallory(t);
  const { cluster } = town.agent("osaka");
  const theirs = { metadata: { namespace: agentNamespace, name: "fairlead-identity" }, data: { key: "a2V5" } };
  await cluster.create(secrets, secrets.parse(theirs), never);
  const names = ["fairlead-identity", "fairlead-token", "default-token", "db"];
  const many = JSON.stringify({ image: "web:1", secrets: names.map((name) => ({ name })) });
  await speak(t, town, [begin, nothing, wish({ spec: many, attachments: names.map((name) => secret({ name })) })]);
  await town.until("it runs", () => deployments(town).length === 1);
  assert.deepEqual(cluster.objects.get(`secrets/${agentNamespace}/fairlead-identity`)?.data, { key: "a2V5" });
  const made = cluster.all("secrets").filter(({ metadata }) => metadata.namespace === "fairlead-peer-mallory");
  assert.equal(made.length, names.length);
  const workload = held(town)[0]?.metadata.name ?? "?";
  for (const { metadata } of made) assert.ok(metadata.name.startsWith(`${workload}-`), metadata.name);
});

test("two apps of one peer bring a Secret of one name and different content, and each pod has its own", async (t) => {
  const town = await startWithMallory(t);
  const other = { uid: "u-2", name: "other", attachments: [secret({ data: { password: Buffer.from("another") } })] };
  await speak(t, town, [begin, nothing, wish({ spec, attachments: [secret()] }), wish({ spec, ...other })]);
  await town.until("both run", () => deployments(town).length === 2);
  const made = town.agent("osaka").cluster.all("secrets");
  assert.equal(new Set(made.map(({ metadata }) => metadata.name)).size, 2);
  assert.equal(new Set(made.map(({ metadata }) => metadata.ownerReferences?.[0]?.uid)).size, 2);
});

test("a RemoteApp gets nothing out of its agent's own namespace, of another namespace, or of a Secret that nobody has labelled", async (t) => {
  const town = await startTown(t);
  const { cluster } = town.agent("tokyo");
  const shared = { "fairlead.dev/shared": "true" };
  const place = async (namespace: string, name: string, labels = {}): Promise<void> => {
    const object = { metadata: { namespace, name, labels }, data: { key: "b3BlbiBzZXNhbWU=" } };
    await cluster.create(secrets, secrets.parse(object), never);
  };
  await place(agentNamespace, "fairlead-identity", shared);
  await place("bank", "vault", shared);
  await place("shop", "unlabelled");
  await place("shop", "nearly", { "fairlead.dev/shared": "false" });
  for (const name of ["fairlead-identity", "vault", "unlabelled", "nearly"]) {
    applyApp(town, name, { secrets: [{ name }] });
    await town.until(name, () => statusOf(town, name).reason === "SecretNotShared");
    assert.equal(phaseOf(town, name), "Pending");
  }
  applyApp(town, "path", { secrets: [{ name: `../${agentNamespace}/fairlead-identity` }] });
  for (let turn = 0; turn < 50; turn += 1) await town.clock.advance(100);
  assert.ok(hostIsEmpty(town));
  assert.deepEqual(town.agent("osaka").cluster.all("secrets"), []);
});
