/** What an app refers to in its own namespace: whether, when and what of it goes to a peer. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { configMaps, secrets } from "../../src/kube/resources.ts";
import { createSharedBook } from "../../src/workloads/origin/shared-book.ts";
import { attach, type Found, namesIn, type SharedName } from "../../src/workloads/origin/shared-content.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { agentNamespace } from "../policy/open-policy.ts";
import { type Cluster, createCluster } from "./cluster.ts";
import { remoteApp } from "./objects.ts";
import { never } from "./story.ts";

const label = { "fairlead.dev/shared": "true" };

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

async function secretIn(
  cluster: Cluster,
  name: string,
  o: { data?: JsonObject; labels?: JsonObject; type?: string; namespace?: string } = {},
) {
  const { data = { password: base64("open sesame") }, labels = label, type = "Opaque", namespace = "shop" } = o;
  await cluster.create(secrets, secrets.parse({ metadata: { namespace, name, labels }, type, data }), never);
}

function open(t: TestContext, cluster = createCluster()) {
  const clock = createFakeClock();
  const changed: string[] = [];
  const book = createSharedBook({ client: cluster, onChange: (app) => void changed.push(app), clock, log: silentLog });
  t.after(() => book.close());
  const settle = async (ms = 0): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await clock.advance(ms / 20);
  };
  return { cluster, book, changed, settle };
}

const db: SharedName = { kind: "Secret", namespace: "shop", name: "db" };

test("only what carries the label is seen, a change is told to those who refer to it, and a label that goes takes it away", async (t) => {
  const { cluster, book, changed, settle } = open(t);
  await secretIn(cluster, "db");
  await secretIn(cluster, "other", { labels: {} });
  book.want("shop/web", [db]);
  book.want("shop/api", [{ ...db, name: "other" }]);
  assert.equal(book.find(db).is, "unknown");
  await book.settled(never);
  assert.equal(book.find(db).is, "there");
  assert.equal(book.find({ ...db, name: "other" }).is, "missing");
  await settle();
  changed.splice(0);
  cluster.edit("secrets", "shop/db", (object) => Object.assign(object, { data: { password: base64("changed") } }));
  await settle();
  assert.deepEqual(changed, ["shop/web"]);
  cluster.edit("secrets", "shop/db", (object) => Object.assign(object.metadata, { labels: {} }));
  await settle();
  assert.equal(book.find(db).is, "missing");
  cluster.edit("secrets", "shop/other", (object) => Object.assign(object.metadata, { labels: label }));
  await settle();
  assert.equal(book.find({ ...db, name: "other" }).is, "there");
});

test("where not all of a namespace may be listed, each is asked for by its name; where not even that, it is said", async (t) => {
  const { cluster, book, settle } = open(t);
  await secretIn(cluster, "db");
  cluster.denied.add("list secrets shop");
  book.want("shop/web", [db]);
  await book.settled(never);
  assert.equal(book.find(db).is, "there");
  cluster.denied.add("list secrets shop/mail");
  await secretIn(cluster, "mail");
  book.want("shop/web", [db, { ...db, name: "mail" }]);
  await settle();
  assert.equal(book.find({ ...db, name: "mail" }).is, "forbidden");
  // Somebody grants it.
  cluster.denied.clear();
  await settle(60_000);
  assert.equal(book.find({ ...db, name: "mail" }).is, "there");
});

test("nothing is watched that no app refers to any more", async (t) => {
  const { cluster, book } = open(t);
  await secretIn(cluster, "db");
  book.want("shop/web", [db]);
  await book.settled(never);
  book.want("shop/web", []);
  assert.equal(book.find(db).is, "unknown");
});

const there = (object: JsonObject): Found => ({
  is: "there",
  object: secrets.parse({ metadata: { name: "db" }, ...object }),
});
const withDb = remoteApp({ secrets: [{ name: "db" }] });

function troubleOf(app: Parameters<typeof attach>[0], found: Found): { reason: string; message: string } {
  const answer = attach(app, { find: () => found, agentNamespace });
  if (answer === undefined || !("reason" in answer)) throw new Error("There is no trouble.");
  return answer;
}

test("each reason why something is not sent says what to do", () => {
  const missing = troubleOf(withDb, { is: "missing" });
  assert.equal(missing.reason, "SecretNotShared");
  assert.match(missing.message, /kubectl -n shop label secret db fairlead\.dev\/shared=true/);
  const forbidden = troubleOf(withDb, { is: "forbidden", message: "no" });
  assert.equal(forbidden.reason, "NotPermitted");
  assert.match(forbidden.message, /create role .* --verb=list,watch --resource=secrets --resource-name=db/);
  const token = troubleOf(withDb, there({ type: "kubernetes.io/service-account-token", data: {} }));
  assert.equal(token.reason, "SecretType");
  const large = troubleOf(withDb, there({ data: { a: base64("x".repeat(2_100_000)) } }));
  assert.equal(large.reason, "TooLarge");
  assert.match(large.message, /2097152 bytes/);
  const keys = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, ""]));
  assert.equal(troubleOf(withDb, there({ data: keys })).reason, "TooLarge");
  const agents = remoteApp({ secrets: [{ name: "fairlead-identity" }] }, { namespace: agentNamespace });
  assert.equal(troubleOf(agents, there({ data: {} })).reason, "AgentNamespace");
  const hashed = remoteApp({ secrets: [{ name: "db", hash: "a".repeat(64) }] });
  assert.equal(troubleOf(hashed, there({ data: {} })).reason, "Invalid");
  const twice = remoteApp({ secrets: [{ name: "db" }, { name: "db" }] });
  assert.equal(troubleOf(twice, there({ data: {} })).reason, "Invalid");
});

test("of a ConfigMap text and bytes go, of a Secret its type; what is written in the app itself is no reference", () => {
  const app = remoteApp({
    configMaps: [{ name: "site" }, { name: "inline", data: { a: "b" } }],
    secrets: [{ name: "db" }],
  });
  assert.deepEqual(
    namesIn(app).map(({ kind, name }) => `${kind} ${name}`),
    ["ConfigMap site", "Secret db"],
  );
  const site = configMaps.parse({ metadata: { name: "site" }, data: { text: "grüß" }, binaryData: { bytes: "AAEC" } });
  const find = ({ kind }: SharedName): Found =>
    kind === "Secret" ? there({ type: "example.com/x", data: { k: base64("v") } }) : { is: "there", object: site };
  const sent = attach(app, { find, agentNamespace });
  assert.ok(sent && !("reason" in sent));
  const plain = sent.map(({ kind, name, type, content }) => [
    kind,
    name,
    type,
    Object.entries(content.reveal()).map(([key, value]) => [key, Buffer.from(value).toString("hex")]),
  ]);
  assert.deepEqual(plain, [
    [
      "ConfigMap",
      "site",
      "",
      [
        ["text", "6772c3bcc39f"],
        ["bytes", "000102"],
      ],
    ],
    ["Secret", "db", "example.com/x", [["k", "76"]]],
  ]);
});

test("nothing is said of what is not read yet, and one trouble is enough", () => {
  assert.equal(attach(withDb, { find: () => ({ is: "unknown" }), agentNamespace }), undefined);
  const two = remoteApp({ secrets: [{ name: "unread" }, { name: "db" }] });
  const find = ({ name }: SharedName): Found => (name === "db" ? { is: "missing" } : { is: "unknown" });
  const answer = attach(two, { find, agentNamespace });
  assert.ok(answer && "reason" in answer);
});
