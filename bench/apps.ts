/**
 * What many apps over one link cost: `node bench/apps.ts [apps] [seconds at rest]`, 1,000 and 60 unless said. Two sandboxes without
 * processes and an agent beside each, four processes in all. RemoteApps are created 16 at a time, and the time counts until
 * the last is Ready at the origin. Then nobody does anything, and what the agents ask their API servers all the same is
 * counted, by what they asked. Then 20 more apps are deployed one after the other, each until it runs at the host and until it is Ready here.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { agentNamespace, startAgent } from "../test/e2e/agent.ts";
import { freePort } from "../test/e2e/free-port.ts";
import { type Api, openApi } from "./apps/api.ts";
import { clusterOf, type Told } from "./apps/sandbox.ts";
import { percentile } from "./load/contender.ts";
import { type Forked, forkTold } from "./load/forked.ts";
import { processorSecondsOf } from "./load/processes.ts";

const appCount = Number(process.argv[2] ?? 1_000);
const restSeconds = Number(process.argv[3] ?? 60);
const atOnce = 16;
const more = 20;
const namespace = "default";
const apps = `/apis/fairlead.dev/v1alpha1/namespaces/${namespace}/remoteapps`;
const hostNamespace = "fairlead-peer-cluster-a";

const forks: Forked<Told>[] = [];
const agents: Awaited<ReturnType<typeof startAgent>>[] = [];
try {
  await measure();
} finally {
  await Promise.all(agents.map((agent) => agent.stop()));
  await Promise.all(forks.map((fork) => fork.end()));
}

async function measure(): Promise<void> {
  forks.push(...(await Promise.all([1, 2].map(() => forkTold<Told>("apps/cluster.ts", [])))));
  const [a, b] = forks;
  if (!a || !b) throw new Error("there are two clusters");
  const [originApi, hostApi] = [openApi(a.told), openApi(b.told)];
  for (const api of [originApi, hostApi]) await api.post("/api/v1/namespaces", { metadata: { name: agentNamespace } });
  const policy = { metadata: { name: "all" }, spec: { workloads: { accept: true, maxApps: 10_000 } } };
  await hostApi.post(`/apis/fairlead.dev/v1alpha1/namespaces/${agentNamespace}/peerpolicies`, policy);
  const ports = async () => ({ console: await freePort(), link: await freePort(), telemetry: await freePort() });
  const origin = await startAgent(clusterOf("a", a.told), await ports());
  const host = await startAgent(clusterOf("b", b.told), await ports());
  agents.push(origin, host);
  await Promise.all([a.ask("counts"), b.ask("counts")]);
  const invite = (await host.cli(["invite", "--grant", "apps"])).trim();
  await origin.cli(["join", "-"], invite);
  const empty = [await origin.memoryMiB(), await host.memoryMiB()];

  const ready = await originApi.watch(apps, (app) => app.status?.phase === "Ready");
  const running = await hostApi.watch(`/apis/apps/v1/namespaces/${hostNamespace}/deployments`, () => true);
  const processor = (): Promise<number[]> =>
    Promise.all([origin.pid, host.pid, a.pid, b.pid].map((pid) => processorSecondsOf([pid])));
  const usedBefore = await processor();
  const startedAt = performance.now();
  const names = Array.from({ length: appCount }, (_, index) => `app-${index}`);
  const waiting = [...names];
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name; name = waiting.shift()) await deploy(originApi, name);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const createdMs = performance.now() - startedAt;
  await Promise.all(names.map((name) => ready.seen(name)));
  const readyMs = performance.now() - startedAt;
  const used = (await processor()).map((seconds, i) => seconds - (usedBefore[i] ?? 0));
  const asked = await Promise.all([a.ask("counts"), b.ask("counts")]);

  const full = [await origin.memoryMiB(), await host.memoryMiB()];
  await quiet(a, b);
  const rested = [await origin.memoryMiB(), await host.memoryMiB()];
  await sleep(restSeconds * 1000);
  const atRest = await Promise.all([a.ask("counts"), b.ask("counts")]);

  const toHost: number[] = [];
  const toReady: number[] = [];
  for (let index = 0; index < more; index++) {
    const name = `more-${index}`;
    const from = performance.now();
    await deploy(originApi, name);
    await running.matching((found) => found.includes(name));
    toHost.push(performance.now() - from);
    await ready.seen(name);
    toReady.push(performance.now() - from);
  }
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  const mebibytes = (sizes: readonly number[]): string => sizes.map((size) => `${size.toFixed(0)} MiB`).join(" / ");
  console.table({
    [`${appCount} RemoteApps created`]: { value: ms(createdMs) },
    "all Ready": { value: ms(readyMs) },
    "processor time until then, agents / their clusters": {
      value: used.map((seconds) => `${seconds.toFixed(1)} s`).join(" / "),
    },
    "API calls until then, origin / host": { value: asked.map((counts) => sum(counts)).join(" / ") },
    "memory with none, origin / host": { value: mebibytes(empty) },
    "memory when all are Ready": { value: mebibytes(full) },
    "memory at rest": { value: mebibytes(rested) },
    [`API calls in ${restSeconds} s at rest`]: { value: atRest.map((counts) => sum(counts)).join(" / ") },
    "one more, until a Deployment, p50": { value: ms(percentile(toHost, 0.5)) },
    "one more, until Ready, p50": { value: ms(percentile(toReady, 0.5)) },
    "one more, until Ready, worst": { value: ms(Math.max(...toReady)) },
  });
  for (const [side, counts] of [
    ["origin", atRest[0]],
    ["host", atRest[1]],
    ["origin, until Ready", asked[0]],
    ["host, until Ready", asked[1]],
  ] as const) {
    console.log(`What the agent asked, ${side}:`);
    console.table(counts);
  }
  ready.close();
  running.close();
}

async function deploy(api: Api, name: string): Promise<void> {
  const spec = { peer: "cluster-b", image: "example.org/app:1", ports: [{ containerPort: 8080 }] };
  await api.post(apps, { metadata: { name }, spec });
}

/** Waits until nothing is asked any more, or for half a minute: then what goes on is what goes on. */
async function quiet(...clusters: readonly Forked<Told>[]): Promise<void> {
  for (let looks = 0; looks < 10; looks++) {
    await sleep(3_000);
    const counts = await Promise.all(clusters.map((cluster) => cluster.ask("counts")));
    if (counts.every((count) => sum(count) <= 2)) return;
  }
}

function sum(counts: unknown): number {
  return Object.values(counts as Record<string, number>).reduce((total, count) => total + count, 0);
}
