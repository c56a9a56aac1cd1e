/** What a Secret holds is in Secrets and in memory, and nowhere else: a mark in each value is looked for in all that anybody can read. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { inspect } from "node:util";
import type { Log } from "../../src/base/log.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { secrets } from "../../src/kube/resources.ts";
import { applyApp, deployments, never, phaseOf, setPolicy, statusOf } from "./story.ts";
import { Town } from "./town.ts";

const mark = "Xylophone-7f3a";
/** In every form in which somebody might print it. */
const forms = [mark, Buffer.from(mark).toString("base64").slice(0, 16), Buffer.from(mark).toString("hex")];
const labels = { "fairlead.dev/shared": "true" };

/** All that is logged at any level, with the causes of errors. */
function record(lines: string[]): Log {
  const write = (fields: object, text: string): void => {
    lines.push(`${text} ${inspect(fields, { depth: 20, showHidden: true, maxStringLength: 1_000_000 })}`);
  };
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log };
  return log;
}

async function startTalkative(t: TestContext, atHost = (client: KubeClient): KubeClient => client) {
  const lines: string[] = [];
  const town = new Town();
  t.after(() => town.close());
  for (const name of ["tokyo", "osaka"]) town.agent(name).log = record(lines);
  const host = town.agent("osaka");
  host.client = atHost(host.cluster);
  town.pair("tokyo", "osaka");
  town.agent("tokyo").start();
  town.agent("osaka").start();
  await town.connect("tokyo", "osaka");
  const { cluster } = town.agent("tokyo");
  const data = { password: Buffer.from(`${mark} and more`).toString("base64") };
  await cluster.create(
    secrets,
    secrets.parse({ metadata: { namespace: "shop", name: "db", labels }, type: "Opaque", data }),
    never,
  );
  return { town, lines };
}

/** Everything that people and programs can read, except Secrets. */
function readable(town: Town, lines: string[]): string {
  const parts: unknown[] = [lines];
  for (const name of ["tokyo", "osaka"]) {
    const { cluster, audited, workloads } = town.agent(name);
    parts.push([...cluster.objects].filter(([key]) => !key.startsWith("secrets/")));
    parts.push(
      audited,
      workloads.host.held(),
      workloads.host.orphans(),
      workloads.origin.orphans(),
      workloads.origin.list(),
    );
  }
  return inspect(parts, { depth: 40, maxArrayLength: null, maxStringLength: null, showHidden: true });
}

function assertSilent(town: Town, lines: string[]): void {
  const text = readable(town, lines);
  assert.ok(text.length > 5_000, "there is something to look through");
  for (const form of forms) {
    const at = text.indexOf(form);
    assert.equal(at, -1, at < 0 ? "" : `${form} in …${text.slice(Math.max(0, at - 300), at + 100)}…`);
  }
}

const bringing = {
  secrets: [{ name: "db" }],
  env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } }],
};

test("an app that brings a Secret along leaves nothing of it in logs, resources, events, the audit or the inbox, whatever becomes of it", async (t) => {
  const { town, lines } = await startTalkative(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web", bringing);
  await town.until("held", () => phaseOf(town, "web") === "Held");
  assertSilent(town, lines);
  const [item] = town.agent("osaka").workloads.host.held();
  await town
    .agent("osaka")
    .workloads.host.decide(item?.name ?? "", { hash: item?.hash ?? "", verdict: "Approved", by: "ada" }, never);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assertSilent(town, lines);
  // Another content is held; what runs, and what waits, are both shown.
  town
    .agent("tokyo")
    .cluster.edit("secrets", "shop/db", (object) =>
      Object.assign(object, { data: { password: Buffer.from(`${mark} changed`).toString("base64") } }),
    );
  await town.until("held anew", () => phaseOf(town, "web") === "Held");
  assertSilent(town, lines);
  town.agent("tokyo").cluster.purge("remoteapps", "shop/web");
  await town.until("an orphan", () => town.agent("tokyo").workloads.origin.orphans().length === 1);
  assertSilent(town, lines);
  assert.ok(
    inspect(town.agent("osaka").cluster.all("secrets"), { depth: 9 }).includes(forms[1] ?? "?"),
    "it was there",
  );
});

/** A cluster, or a webhook in it, that repeats what it was sent in each of its answers. */
const echoes = [
  { status: 422, reason: "Invalid" },
  { status: 400, reason: "BadRequest" },
  { status: 403, reason: "Forbidden" },
  { status: 413, reason: "RequestEntityTooLarge" },
  { status: 500, reason: "InternalError" },
  { status: 409, reason: "Conflict" },
];

for (const { status, reason } of echoes) {
  test(`a cluster that answers ${status} and repeats what it was sent is not believed to be discreet`, async (t) => {
    let isEchoing = true;
    const atHost = (client: KubeClient): KubeClient => ({
      ...client,
      async apply(kind, object, o, signal) {
        if (kind.plural !== "secrets" || !isEchoing) return client.apply(kind, object, o, signal);
        const sent = JSON.stringify(object);
        const plain = sent.replace(/"[A-Za-z0-9+/]{16,}={0,2}"/g, (one) =>
          Buffer.from(one.slice(1), "base64").toString(),
        );
        const message = `admission webhook said: ${sent} which is ${plain}`;
        throw new KubeError(
          { status, reason, message, fields: [{ field: `data[${plain}]`, message }] },
          { cause: new Error(sent) },
        );
      },
    });
    const { town, lines } = await startTalkative(t, atHost);
    applyApp(town, "web", bringing);
    await town.until(
      "said",
      () => /db/.test(String(statusOf(town, "web").message)) && phaseOf(town, "web") !== "Pending",
    );
    assert.match(String(statusOf(town, "web").message), new RegExp(`Secret db: ${reason} \\(${status}\\)`));
    assert.equal(deployments(town).length, 0);
    assertSilent(town, lines);
    isEchoing = false;
    applyApp(town, "web", { ...bringing, image: "web:2" });
    await town.until("Ready", () => phaseOf(town, "web") === "Ready");
    assertSilent(town, lines);
  });
}

test("a Secret that cannot be sent, for its size, its type or its place, is not quoted in the reason", async (t) => {
  const { town, lines } = await startTalkative(t);
  const { cluster } = town.agent("tokyo");
  applyApp(town, "web", bringing);
  const change = (edit: object): void => cluster.edit("secrets", "shop/db", (object) => Object.assign(object, edit));
  change({ data: { password: Buffer.from(mark.repeat(200_000)).toString("base64") } });
  await town.until("too large", () => statusOf(town, "web").reason === "TooLarge");
  change({ data: { password: Buffer.from(mark).toString("base64") }, type: "kubernetes.io/service-account-token" });
  await town.until("of a wrong type", () => statusOf(town, "web").reason === "SecretType");
  change({ type: "Opaque", metadata: { ...cluster.objects.get("secrets/shop/db")?.metadata, labels: {} } });
  await town.until("not shared", () => statusOf(town, "web").reason === "SecretNotShared");
  assertSilent(town, lines);
});
