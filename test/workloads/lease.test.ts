/** Apps that end by themselves at a peer that cannot be reached, and run elsewhere only afterwards. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { KubeError } from "../../src/kube/errors.ts";
import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";
import { app, applyApp, deployments, findApp, held, phaseOf, statusOf } from "./story.ts";
import { Town } from "./town.ts";

const hosts = ["osaka", "kyoto"];

/** An app that may be away for 60 s. What osaka is called is "first", so that it can be asked for alone. */
async function startLeased(t: TestContext): Promise<Town> {
  const town = new Town();
  for (const host of hosts) town.pair("tokyo", host);
  town.agent("tokyo").peering.set("osaka", { labels: { first: "yes" } });
  t.after(() => town.close());
  for (const name of ["tokyo", ...hosts]) town.agent(name).start();
  for (const host of hosts) await town.connect("tokyo", host);
  return town;
}

function wish(town: Town, placement: JsonObject = {}): void {
  applyApp(town, "web", { placement: { count: 1, move: "Unreachable", unreachableSeconds: 60, ...placement } });
}

const first: JsonObject = { selector: { matchLabels: { first: "yes" } } };

async function startAtOsaka(t: TestContext): Promise<Town> {
  const town = await startLeased(t);
  wish(town, first);
  await town.until("Ready at osaka", () => phaseOf(town, "web") === "Ready");
  wish(town);
  await town.until("seen", () => statusOf(town, "web").observedGeneration === 2);
  return town;
}

/** Lets time pass, and calls be answered meanwhile. */
async function pass(town: Town, ms: number): Promise<void> {
  const end = town.clock.monotonic() + ms;
  await town.until("the end of a while", () => town.clock.monotonic() >= end, ms + 1_000);
}

function pods(town: Town, host: string): number {
  return town.agent(host).cluster.all("pods").length;
}

function running(town: Town): string[] {
  return hosts.filter((host) => pods(town, host) > 0);
}

function annotation(town: Town, name: string): string | null | undefined {
  return findApp(town, "web")?.metadata.annotations?.[`fairlead.dev/${name}`];
}

test("a host that hears nothing stops what has a lease, says so, and it runs elsewhere only afterwards", async (t) => {
  const town = await startAtOsaka(t);
  await town.cut("tokyo", "osaka");
  await pass(town, 40_000);
  assert.deepEqual(running(town), ["osaka"], "it goes on for its lease");
  await town.until("stopped at osaka", () => pods(town, "osaka") === 0, 40_000);
  assert.deepEqual(running(town), []);
  const { status } = held(town, "osaka")[0] ?? {};
  assert.deepEqual([status?.phase, status?.reason], ["Degraded", "LeaseEnded"]);
  assert.match(String(status?.message), /tokyo has not said for 60 s that it may go on/);
  await town.until("Ready at kyoto", () => running(town).join() === "kyoto" && phaseOf(town, "web") === "Ready");
  assert.deepEqual([annotation(town, "held-by"), annotation(town, "ended-at")], ["kyoto", "osaka"]);
  assert.match(JSON.stringify(statusOf(town, "web").peers), /osaka has ended the app by itself/);

  await town.connect("tokyo", "osaka");
  await town.until("nothing at osaka", () => held(town, "osaka").length === 0 && annotation(town, "ended-at") == null);
  assert.deepEqual(running(town), ["kyoto"], "it does not go back without need");
});

test("a host that is away for less goes on, and so does one that nobody could replace", async (t) => {
  const town = await startAtOsaka(t);
  await town.cut("tokyo", "osaka");
  await pass(town, 30_000);
  await town.connect("tokyo", "osaka");
  await pass(town, 200_000);
  assert.deepEqual([running(town), annotation(town, "held-by")], [["osaka"], "osaka"]);

  await town.cut("tokyo", "kyoto");
  await town.cut("tokyo", "osaka");
  await pass(town, 300_000);
  assert.deepEqual([running(town), annotation(town, "held-by")], [[], "osaka"], "there is no other");
  await town.connect("tokyo", "osaka");
  await town.until("Ready again", () => running(town).join() === "osaka" && phaseOf(town, "web") === "Ready");
});

test("a wish that comes late begins nothing: a lease begins when the host asks", async (t) => {
  const town = await startLeased(t);
  town.agent("tokyo").peering.set("kyoto", { labels: { first: "no" } });
  town.hold("tokyo", "osaka", true);
  wish(town, first);
  await town.until("held by osaka", () => annotation(town, "held-by") === "osaka");
  wish(town);
  town.stall("tokyo", "osaka", true);
  await town.until("Ready at kyoto", () => running(town).join() === "kyoto" && phaseOf(town, "web") === "Ready");
  town.stall("tokyo", "osaka", false);
  let most = 0;
  for (let turn = 0; turn < 200; turn += 1) {
    await town.clock.advance(turn % 8 === 7 ? 100 : 0);
    most = Math.max(most, running(town).length);
  }
  assert.equal(most, 1);
  await town.until("nothing at osaka", () => held(town, "osaka").length === 0);
});

test("a host that starts anew goes on for what is left of its lease, and no longer", async (t) => {
  const town = await startAtOsaka(t);
  await pass(town, 50_000);
  await town.cut("tokyo", "osaka");
  await town.stop("osaka");
  town.agent("osaka").start();
  await pass(town, 5_000);
  assert.deepEqual(running(town), ["osaka"]);
  await town.until("stopped", () => pods(town, "osaka") === 0, 60_000);
});

test("an origin that starts anew takes its holders for told until then", async (t) => {
  const town = await startAtOsaka(t);
  await town.cut("tokyo", "osaka");
  await pass(town, 50_000);
  await town.stop("tokyo");
  town.agent("tokyo").start();
  await town.cut("tokyo", "kyoto");
  await town.connect("tokyo", "kyoto");
  await pass(town, 60_000);
  assert.deepEqual(running(town), [], "osaka has ended it, and tokyo cannot know that yet");
  await town.until("Ready at kyoto", () => running(town).join() === "kyoto" && phaseOf(town, "web") === "Ready");
});

test("a clock on the wall that is set forward ends a lease early, and one that is set back makes none longer", async (t) => {
  const town = await startAtOsaka(t);
  await town.cut("tokyo", "osaka");
  town.clock.jump(-3_600_000);
  await town.until("stopped all the same", () => pods(town, "osaka") === 0, 70_000);
});

test("a lease that comes to an app that runs already does not stop it, and one that goes away is not waited for", async (t) => {
  const town = await startLeased(t);
  wish(town, { ...first, move: "Gone" });
  await town.until("Ready at osaka", () => phaseOf(town, "web") === "Ready");
  assert.equal(annotation(town, "leases"), undefined);
  const before = town.agent("osaka").cluster.all("pods")[0]?.metadata.uid;
  wish(town, first);
  await town.until("leased", () => annotation(town, "leases") === "osaka=60");
  await pass(town, 200_000);
  assert.equal(town.agent("osaka").cluster.all("pods")[0]?.metadata.uid, before);
  wish(town, { ...first, move: "Gone" });
  await town.until("for ever", () => annotation(town, "leases") == null && held(town, "osaka")[0]?.spec !== undefined);
  await pass(town, 10_000);
  await town.cut("tokyo", "osaka");
  await pass(town, 500_000);
  assert.deepEqual(running(town), ["osaka"]);
  assert.ok(app(town, "web") && deployments(town, "osaka").length === 1);
});

/** Whatever is done to the Workload or its namespace at osaka, what runs there ends with its lease. */
for (const [what, undo] of [
  [
    "its agent does not understand the Workload any more",
    (town: Town) => editWorkload(town, (spec) => Object.assign(spec, { fromLater: { is: "unknown" } })),
  ],
  [
    "its namespace is not the peer's any more",
    (town: Town) =>
      town.agent("osaka").cluster.edit("namespaces", "fairlead-peer-tokyo", ({ metadata }) => {
        metadata.labels = {};
      }),
  ],
  ["the API server refuses what it is made of", refuseDeployments],
  ["the origin is no peer there any more", (town: Town) => town.agent("osaka").peering.set("tokyo", undefined)],
] as const) {
  test(`a lease ends what runs although ${what}`, async (t) => {
    const town = await startAtOsaka(t);
    await town.cut("tokyo", "osaka");
    undo(town);
    // It is looked at again, not only remembered.
    await town.stop("osaka");
    town.agent("osaka").start();
    await pass(town, 5_000);
    assert.deepEqual(running(town), ["osaka"], "it goes on for its lease");
    await town.until("stopped at osaka", () => pods(town, "osaka") === 0, 60_000);
    await town.until("Ready at kyoto", () => phaseOf(town, "web") === "Ready" && pods(town, "kyoto") > 0, 300_000);
    const [workload] = held(town, "osaka");
    assert.match(JSON.stringify(workload?.status), /It is stopped, as it may run at another peer by now/);
  });
}

for (const { kind, plural, stopped } of [
  { kind: "StatefulSet", plural: "statefulsets", stopped: { replicas: 0 } },
  { kind: "Job", plural: "jobs", stopped: { suspend: true } },
  { kind: "CronJob", plural: "cronjobs", stopped: { suspend: true } },
]) {
  test(`a lease ends a ${kind} of which nothing can be made`, async (t) => {
    const town = await startLeased(t);
    const cronJob = kind === "CronJob" ? { cronJob: { schedule: "0 4 * * *" } } : {};
    const placement = { count: 1, move: "Unreachable", unreachableSeconds: 60, ...first };
    applyApp(town, "web", { kind, ports: [], ...cronJob, placement });
    const { cluster } = town.agent("osaka");
    await town.until("made", () => cluster.all(plural).length === 1);
    await town.cut("tokyo", "osaka");
    editWorkload(town, (spec) => Object.assign(spec, { fromLater: { is: "unknown" } }));
    await town.until("stopped", () => {
      const [spec = {}] = cluster.all(plural).map((object) => object.spec);
      return Object.entries(stopped).every(([field, value]) => spec[field] === value);
    });
  });
}

/** Only whole ones: a number of replicas can be written. */
function refuseDeployments(town: Town): void {
  const host = town.agent("osaka");
  const { client } = host;
  host.client = {
    ...client,
    async apply(kind, object, options, signal) {
      if (kind.plural === "deployments") throw new KubeError({ status: 422, reason: "Invalid", message: "no" });
      return client.apply(kind, object, options, signal);
    },
  };
}

function editWorkload(town: Town, change: (spec: JsonObject) => void): void {
  const [{ metadata } = { metadata: { namespace: "", name: "" } }] = held(town, "osaka");
  const key = `${metadata.namespace}/${metadata.name}`;
  town.agent("osaka").cluster.edit("workloads", key, ({ spec }) => change(isJsonObject(spec) ? spec : {}));
}
