/**
 * A borrower beside cluster A and a lender at cluster B, paired: what the tests of an app's life stand on. The lender is the agent that the
 * chart installs, with the rights that it has there, where the agent's image is given (E2E_AGENT_IMAGE); otherwise one beside the cluster.
 */

import { randomBytes } from "node:crypto";
import { type AgentProcess, startAgent } from "./agent.ts";
import { applyDefinitions, type Cluster, openCluster } from "./clusters.ts";
import { freePort } from "./free-port.ts";
import { clean, type InstalledAgent, releaseNamespace } from "./installed.ts";
import { isInstalled, lend } from "./lending.ts";
import { until } from "./until.ts";

export interface App {
  metadata: { name: string; generation: number };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    replicas?: number;
    readyReplicas?: number;
    updatedReplicas?: number;
    observedGeneration?: number;
    revision?: number;
    pods?: { name: string; phase?: string; reason?: string }[];
    images?: { image: string; digest?: string }[];
    job?: { active?: number; succeeded?: number; failed?: number; completedAt?: string; lastSuccessAt?: string };
  };
}

export interface Listed<T> {
  items: T[];
}

export interface Borrowing {
  readonly a: Cluster;
  readonly b: Cluster;
  readonly borrower: AgentProcess;
  /** Where the borrower has what is its own at A. */
  readonly agentNamespace: string;
  /** The agent that the chart installed at B; undefined where one beside the cluster is the lender. */
  readonly installed: InstalledAgent | undefined;
  /** Where the RemoteApps are. */
  readonly namespace: string;
  /** Where what runs them is. */
  readonly hostNamespace: string;
  /** Applies the RemoteApp of that name at A. */
  apply(name: string, spec: Record<string, unknown>): Promise<void>;
  app(name: string): Promise<App>;
  /** Waits until the app's status is of its present spec and right. */
  shows(
    name: string,
    what: string,
    isRight: (status: NonNullable<App["status"]>) => boolean,
    seconds?: number,
  ): Promise<App>;
  ready(name: string, replicas?: number, seconds?: number): Promise<App>;
  /** kubectl at A in the RemoteApps' namespace, and at B in that of what runs them. */
  here(...args: string[]): Promise<string>;
  there(...args: string[]): Promise<string>;
  /** What of this kind runs the app at B. */
  hosted<T>(kind: string, name: string): Promise<T>;
  close(): Promise<void>;
}

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const shell = "docker.io/library/busybox:1.36";
export const images = { echo: image, shell };

export interface BorrowingOptions {
  /** The chart's values for the lender beyond those of all tests; then it has to be the installed one. */
  readonly values?: Readonly<Record<string, string>>;
  /** A way to the lender, told where it is dialled, for the borrower; gives the URL to dial instead. */
  readonly through?: (linkUrl: string) => Promise<string>;
}

export async function openBorrowing(o: BorrowingOptions = {}): Promise<Borrowing> {
  const run = randomBytes(3).toString("hex");
  const [a, b] = [openCluster("a"), openCluster("b")];
  const names = { borrower: `borrower-${run}`, lender: `lender-${run}` };
  const namespace = `fairlead-e2e-${run}`;
  const agents = { a: `fairlead-e2e-${run}-agent`, b: `fairlead-e2e-${run}-agent` };
  const hostNamespace = `fairlead-peer-${names.borrower}`;
  const ours = new RegExp(
    `^(fairlead-e2e-${run}.*|fairlead-peer-(borrower|lender)-${run}${isInstalled ? `|${releaseNamespace}` : ""})$`,
  );
  const closing: (() => Promise<unknown>)[] = [() => Promise.all([a, b].map((cluster) => clean(cluster, ours)))];
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    await Promise.all([a, b].map(applyDefinitions));
    await a.kubectl(["create", "namespace", namespace]);
    await a.kubectl(["create", "namespace", agents.a]);
    const ports = async () => ({ console: await freePort(), link: await freePort(), telemetry: await freePort() });
    const borrower = await startAgent(a, await ports(), { name: names.borrower, namespace: agents.a });
    closing.push(() => borrower.stop());
    const lender = await lend(b, { name: names.lender, namespace: agents.b }, await ports(), o.values);
    closing.push(() => lender.end());
    await borrower.cli(["join", "-"], await lender.invite(names.borrower, await o.through?.(lender.linkUrl)));
    return {
      ...{ a, b, borrower, agentNamespace: agents.a, installed: lender.installed, namespace, hostNamespace, close },
      ...faces(a, b, names.lender, namespace, hostNamespace),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function faces(a: Cluster, b: Cluster, lender: string, namespace: string, hostNamespace: string) {
  const app = (name: string): Promise<App> => a.get<App>(["remoteapp", "-n", namespace, name]);
  const shows: Borrowing["shows"] = (name, what, isRight, seconds = 60) => {
    let last: App | undefined;
    return until(
      `${name} shows ${what}`,
      async () => {
        last = await app(name);
        const { status, metadata } = last;
        return status !== undefined && status.observedGeneration === metadata.generation && isRight(status) && last;
      },
      { seconds, seen: () => last?.status },
    );
  };
  return {
    app,
    shows,
    async apply(name: string, spec: Record<string, unknown>) {
      const metadata = { name, namespace };
      const body = {
        apiVersion: "fairlead.dev/v1alpha1",
        kind: "RemoteApp",
        metadata,
        spec: { peer: lender, ...spec },
      };
      await a.kubectl(["apply", "-f", "-"], JSON.stringify(body));
    },
    ready: (name: string, replicas = 1, seconds = 60) =>
      shows(name, "Ready", ({ phase, readyReplicas }) => phase === "Ready" && readyReplicas === replicas, seconds),
    here: (...args: string[]) => a.kubectl(["-n", namespace, ...args]),
    there: (...args: string[]) => b.kubectl(["-n", hostNamespace, ...args]),
    async hosted<T>(kind: string, name: string): Promise<T> {
      const { items } = await b.get<Listed<T & { metadata: { name: string } }>>([kind, "-n", hostNamespace]);
      const found = items.find(({ metadata }) => new RegExp(`^${name}(-[0-9a-f]{6,})+$`).test(metadata.name));
      if (!found) throw new Error(`no ${kind} at the host runs ${name}`);
      return found;
    },
  };
}
