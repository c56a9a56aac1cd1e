/** One end of the demo: an embedded cluster with Fairlead's resources, and an agent beside it. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Agent, startAgent } from "../agent.ts";
import { systemClock } from "../base/clock.ts";
import { parseDocuments } from "../base/document.ts";
import type { Log } from "../base/log.ts";
import { createFairleadClient, type FairleadClient } from "../client/node.ts";
import { loadConfig } from "../config.ts";
import { adminTokenSecret } from "../console/auth/admin-token.ts";
import { connectKube, type KubeConnection } from "../kube/connect.ts";
import { isJsonObject } from "../kube/object.ts";
import { customResourceDefinitions, namespaces, secrets } from "../kube/resources.ts";
import { decodeData } from "../kube/secret-data.ts";
import { createSandbox } from "../sandbox/sandbox.ts";
import { createLogRing, type LogRing } from "../telemetry/log-ring.ts";
import { onFreePorts } from "./free-port.ts";

export interface Town {
  readonly name: string;
  /** A kubeconfig file of the embedded cluster's administrator. */
  readonly kubeconfig: string;
  readonly kube: KubeConnection;
  /** The one that runs now. */
  readonly agent: Agent;
  readonly client: FairleadClient;
  readonly consoleUrl: string;
  readonly token: string;
  /** Ends the agent and calls `meanwhile`; then starts another at the same ports, as a node that goes and comes back. */
  restart(meanwhile: () => Promise<void>, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Where the agent of a town is at home, with its policies. */
export const agentNamespace = "fairlead-system";
const definitions = new URL("../../charts/fairlead/crds/", import.meta.url);

export interface TownOptions {
  readonly name: string;
  /** Where its kubeconfig is written. */
  readonly directory: string;
  /** The console's port, followed by those of the link and of telemetry; others when they are taken. 0 takes any. */
  readonly firstPort: number;
  readonly version: string;
  readonly log: Log;
  /** The latest lines of it, for the agent to show; none unless given. */
  readonly ownLog?: LogRing;
  /** Whether pods run processes; without, every pod becomes Ready by itself. True unless given. */
  readonly processes?: boolean;
  /** Settings of the agent in place of those that suit a demo. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Builds it up from nothing. What was built before a failure is taken down again. */
export async function buildTown(o: TownOptions, signal: AbortSignal): Promise<Town> {
  const built: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const end of built.splice(0).reverse()) await end();
  };
  try {
    const sandbox = await createSandbox({ log: o.log, processes: o.processes ?? true });
    built.push(() => sandbox.close());
    const kubeconfig = join(o.directory, `${o.name}.kubeconfig`);
    await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
    const kube = await connectKube({ kubeconfig, clock: systemClock });
    built.push(() => kube.close());
    await installDefinitions(kube, signal);
    await kube.client.create(namespaces, { metadata: { name: agentNamespace } }, signal);

    let agent = await onFreePorts(o.firstPort, (ports) => startAgentOn(ports, kubeconfig, o, signal));
    built.push(() => agent.close());
    const token = await readToken(kube, signal);
    const consoleUrl = `http://127.0.0.1:${agent.ports.console}`;
    const client = createFairleadClient({ url: consoleUrl, token });
    return {
      ...{ name: o.name, kubeconfig, kube, client, consoleUrl, token, close },
      get agent() {
        return agent;
      },
      async restart(meanwhile, until) {
        const { console, link, telemetry } = agent.ports;
        await agent.close();
        await meanwhile();
        agent = await startAgentOn([console, link, telemetry], kubeconfig, o, until);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function startAgentOn(
  [console, link, telemetry]: readonly [number, number, number],
  kubeconfig: string,
  o: TownOptions,
  signal: AbortSignal,
): Promise<Agent> {
  const flags = {
    name: o.name,
    "kube.kubeconfig": kubeconfig,
    "kube.namespace": agentNamespace,
    "console.port": String(console),
    "link.host": "127.0.0.1",
    "link.port": String(link),
    "link.url": `ws://127.0.0.1:${link}/link`,
    "telemetry.host": "127.0.0.1",
    "telemetry.port": String(telemetry),
    // Nothing here is worth waiting for when it is taken down.
    "shutdown.grace": "1s",
    ...o.settings,
  };
  const loaded = loadConfig({ flags, env: {} });
  return startAgent(
    { loaded, log: o.log, ownLog: o.ownLog ?? createLogRing(), clock: systemClock, version: o.version },
    signal,
  );
}

async function installDefinitions(kube: KubeConnection, signal: AbortSignal): Promise<void> {
  for (const file of (await readdir(definitions)).filter((name) => name.endsWith(".yaml")).sort()) {
    for (const { value } of parseDocuments(await readFile(new URL(file, definitions), "utf8"), file)) {
      if (isJsonObject(value))
        await kube.client.create(customResourceDefinitions, customResourceDefinitions.parse(value), signal);
    }
  }
}

async function readToken(kube: KubeConnection, signal: AbortSignal): Promise<string> {
  const { name, key } = adminTokenSecret;
  const secret = await kube.client.get(secrets, { namespace: agentNamespace, name }, signal);
  const token = secret && decodeData(secret, key);
  if (token === undefined) throw new Error("the agent has made no admin token");
  return token;
}
