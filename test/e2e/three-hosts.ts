/**
 * One origin and three peers that run its apps: two at real clusters and the third in the sandbox, as the origin is. The way to the
 * second goes through a proxy that can be shut. The pods of all three are watched all the time.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { agentNamespace, buildTown, type Town } from "../../src/demo/town.ts";
import type { RemoteAppStatus } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { connectKube } from "../../src/kube/connect.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { peers, remoteApps } from "../../src/kube/resources.ts";
import { openPolicy } from "../policy/open-policy.ts";
import type { AgentPorts } from "./agent.ts";
import { applyDefinitions, type Cluster, openCluster } from "./clusters.ts";
import { mustRun } from "./command.ts";
import { type Copies, watchCopies } from "./copies.ts";
import { type CutProxy, openCutProxy } from "./cut-proxy.ts";
import { freePort } from "./free-port.ts";
import { clean, releaseNamespace } from "./installed.ts";
import { isInstalled, lend } from "./lending.ts";
import { until } from "./until.ts";

export interface ThreeHosts {
  /** What the origin calls them, in the order of the clusters; the last is in the sandbox. */
  readonly hosts: readonly [string, string, string];
  readonly copies: Copies;
  /** `fairlead …` at the origin. */
  cli(...args: string[]): Promise<string>;
  /** Pairs the origin with the host of this name, which gets these labels there. */
  join(host: string, labels: Readonly<Record<string, string>>): Promise<void>;
  /** What the peers say of themselves, of one kind, by name; waits until all have. */
  facts(kind: string): Promise<Readonly<Record<string, string>>>;
  apply(app: string, spec: JsonObject): Promise<void>;
  status(app: string): Promise<RemoteAppStatus>;
  /** Waits until the app is Ready at exactly these peers, and nothing is said of any other. */
  readyAt(app: string, peers: readonly string[], seconds?: number): Promise<RemoteAppStatus>;
  /** The way between the origin and the second host: everything on it is cut, and whatever comes, until it is opened. */
  readonly way: Pick<CutProxy, "shut" | "open">;
  close(): Promise<void>;
}

const namespace = "default";
const program = new URL("../../src/main.ts", import.meta.url).pathname;

export async function openThreeHosts(): Promise<ThreeHosts> {
  const run = randomBytes(3).toString("hex");
  const [originName, eastName, westName, smallName] = ["shop", "east", "west", "small"].map((word) => `${word}-${run}`);
  if (!originName || !eastName || !westName || !smallName) throw new Error("there is a name for each");
  const clusters = [openCluster("a"), openCluster("b")] as const;
  const hostNamespace = `fairlead-peer-${originName}`;
  const agents = `fairlead-e2e-${run}-agent`;
  const ours = new RegExp(`^(fairlead-e2e-${run}.*|${hostNamespace}${isInstalled ? `|${releaseNamespace}` : ""})$`);
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    const directory = await mkdtemp(join(tmpdir(), "fairlead-place-"));
    closing.push(() => rm(directory, { recursive: true, force: true }));
    closing.push(() => Promise.all(clusters.map((cluster) => clean(cluster, ours))));
    await Promise.all(clusters.map(applyDefinitions));

    // Without processes each pod is ready by itself, whatever its image. Nobody dials the origin: what is shut stays so.
    const town = async (name: string, settings = {}): Promise<Town> => {
      const options = { name, directory, firstPort: 0, version: "0.0.1", log: silentLog, processes: false, settings };
      const built = await buildTown(options, AbortSignal.timeout(60_000));
      closing.push(() => built.close());
      return built;
    };
    const origin = await town(originName, { "link.url": "" });
    const small = await town(smallName);
    await openPolicy(small.kube.client);
    const lendAt = async (cluster: Cluster, name: string, ports: AgentPorts) => {
      const lender = await lend(cluster, { name, namespace: agents }, ports);
      closing.push(() => lender.end());
      return lender;
    };
    const ports = async () => ({ console: await freePort(), link: await freePort(), telemetry: await freePort() });
    // One after the other: what is free twice at once may be the same.
    const [eastPorts, westPorts] = [await ports(), await ports()];
    const [east, west] = await Promise.all([
      lendAt(clusters[0], eastName, eastPorts),
      lendAt(clusters[1], westName, westPorts),
    ]);
    const { hostname, port, pathname } = new URL(west.linkUrl);
    const way = await openCutProxy({ host: hostname, port: Number(port) });
    closing.push(async () => way.close());
    const inviters: Readonly<Record<string, () => Promise<string>>> = {
      [eastName]: () => east.invite(originName),
      [westName]: () => west.invite(originName, `ws://127.0.0.1:${way.port}${pathname}`),
      async [smallName]() {
        const invite = await small.client.peers.createInvite({ name: originName, grants: ["apps"] });
        return invite.line;
      },
    };

    const connections = await Promise.all(
      clusters.map(({ kubeconfig }) => connectKube({ kubeconfig, clock: systemClock })),
    );
    closing.push(() => Promise.all(connections.map((connection) => connection.close())));
    const ended = new AbortController();
    const clients = [...connections.map(({ client }) => client), small.kube.client];
    const names = [eastName, westName, smallName] as const;
    const watched = clients.map((client, index) => ({ name: names[index] ?? "", client, namespace: hostNamespace }));
    const copies = await watchCopies(watched, ended.signal);
    closing.push(
      async () => ended.abort(),
      () => copies.close(),
    );

    const cli = (...args: string[]): Promise<string> => runCli(origin, args);
    return {
      hosts: names,
      copies,
      cli,
      async join(host, labels) {
        const pairs = Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]);
        const invite = await inviters[host]?.();
        await runCli(origin, ["join", "-", "--name", host, ...pairs], invite);
      },
      facts: (kind) => readFacts(origin, kind),
      ...faces(origin),
      way,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function runCli({ kubeconfig, consoleUrl }: Town, args: readonly string[], input?: string): Promise<string> {
  const at = ["--server", consoleUrl, "--kubeconfig", kubeconfig, "--agent-namespace", agentNamespace];
  return mustRun(process.execPath, [program, ...at, ...args], { seconds: 60, ...(input !== undefined && { input }) });
}

function readFacts({ kube: { client } }: Town, kind: string): Promise<Record<string, string>> {
  return until("all peers have told of themselves", async () => {
    const { items } = await client.list(peers, { namespace: agentNamespace }, AbortSignal.timeout(10_000));
    const found = items.map(({ metadata: { name = "" }, status }) => [name, status?.facts[kind] ?? ""]);
    return found.length > 0 && found.every(([, value]) => value !== "") && Object.fromEntries(found);
  });
}

function faces(origin: Town): Pick<ThreeHosts, "apply" | "status" | "readyAt"> {
  const { client } = origin.kube;
  const status = async (name: string): Promise<RemoteAppStatus> => {
    const found = await client.get(remoteApps, { namespace, name }, AbortSignal.timeout(10_000));
    if (!found?.status || found.status.observedGeneration !== found.metadata.generation)
      throw new Error(`${name} has no status of what it says now`);
    return found.status;
  };
  return {
    status,
    async apply(name, spec) {
      const draft = remoteApps.parse({ metadata: { namespace, name }, spec });
      const signal = AbortSignal.timeout(10_000);
      await client.apply(remoteApps, draft, { force: true }, signal);
    },
    readyAt(name, peers, seconds = 60) {
      let last: RemoteAppStatus | undefined;
      return until(
        `${name} is Ready at ${peers.join(" and ")}`,
        async () => {
          last = await status(name);
          const at = last.peers.map(({ peer }) => peer ?? "").sort();
          return last.phase === "Ready" && at.join() === [...peers].sort().join() && last;
        },
        { seconds, seen: () => last },
      );
    },
  };
}
