/** An agent as a process of its own beside a cluster, and the CLI that talks to it. */

import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Cluster } from "./clusters.ts";
import { mustRun, type Outcome, run } from "./command.ts";

const root = new URL("../..", import.meta.url).pathname;
const program = `${root}src/main.ts`;

/** The namespace in which the tests keep each agent's own objects: never that of an agent in earnest. */
export const agentNamespace = "fairlead-e2e-agent";

export interface AgentProcess {
  readonly name: string;
  readonly consoleUrl: string;
  readonly linkUrl: string;
  /** Runs `fairlead …` against this agent to success, and gives what it printed. */
  cli(args: readonly string[], input?: string): Promise<string>;
  /** The same, whatever comes of it. */
  tryCli(args: readonly string[], input?: string): Promise<Outcome>;
  /** Starts `fairlead …` and leaves it running. */
  spawnCli(args: readonly string[]): ChildProcess;
  /** The console's bearer token. */
  token(): Promise<string>;
  /** The process as it is now; 0 while there is none. */
  readonly pid: number;
  /** Resident memory in MiB. */
  memoryMiB(): Promise<number>;
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same ports. */
  start(): Promise<void>;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>;
}

export interface AgentPorts {
  readonly console: number;
  readonly link: number;
  readonly telemetry: number;
}

/** What sets an agent apart from others beside the same cluster. */
export interface AgentPlace {
  readonly name: string;
  readonly namespace: string;
  /** An address of this machine at which others reach it; nobody else does unless given. */
  readonly address?: string;
  /** More settings, by their flags. */
  readonly flags?: Readonly<Record<string, string>>;
}

/** Starts an agent that speaks to the cluster by its kubeconfig. */
export async function startAgent(cluster: Cluster, ports: AgentPorts, place?: AgentPlace): Promise<AgentProcess> {
  const name = place?.name ?? `cluster-${cluster.name}`;
  const namespace = place?.namespace ?? agentNamespace;
  const consoleUrl = `http://127.0.0.1:${ports.console}`;
  const linkUrl = `ws://${place?.address ?? "127.0.0.1"}:${ports.link}`;
  mkdirSync(`${root}.cache/e2e`, { recursive: true });
  const log = createWriteStream(`${root}.cache/e2e/${name}.log`);
  let child: ChildProcess | undefined;

  const flags = {
    name,
    kubeconfig: cluster.kubeconfig,
    "agent-namespace": namespace,
    "console-port": String(ports.console),
    "link-host": place?.address ?? "127.0.0.1",
    "link-port": String(ports.link),
    "link-url": linkUrl,
    "telemetry-host": "127.0.0.1",
    "telemetry-port": String(ports.telemetry),
    ...place?.flags,
  };

  async function start(): Promise<void> {
    const started = spawn(
      process.execPath,
      [program, "agent", ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    child = started;
    started.stderr.pipe(log, { end: false });
    started.stdout.pipe(log, { end: false });
    const lines = createInterface({ input: started.stderr });
    await new Promise<void>((resolve, reject) => {
      started.once("error", reject);
      started.once("exit", (code) => reject(new Error(`agent ${name} ended with ${code}; see .cache/e2e/${name}.log`)));
      lines.on("line", (line) => {
        if (line.includes("agent is ready")) resolve(); // The lines after it are read and dropped, for the pipe must flow.
      });
    });
  }

  function end(signal: NodeJS.Signals): Promise<number | null> {
    const ending = child;
    child = undefined;
    if (!ending || ending.exitCode !== null || ending.signalCode !== null)
      return Promise.resolve(ending?.exitCode ?? null);
    return new Promise((resolve) => {
      ending.removeAllListeners("exit").once("exit", resolve);
      ending.kill(signal);
    });
  }

  const cliArgs = (args: readonly string[]): string[] => [
    program,
    "--server",
    consoleUrl,
    "--kubeconfig",
    cluster.kubeconfig,
    "--agent-namespace",
    namespace,
    ...args,
  ];
  const withInput = (input: string | undefined): { input?: string } => (input === undefined ? {} : { input });

  const agent: AgentProcess = {
    name,
    consoleUrl,
    linkUrl,
    cli: (args, input) => mustRun(process.execPath, cliArgs(args), { seconds: 180, ...withInput(input) }),
    tryCli: (args, input) => run(process.execPath, cliArgs(args), { seconds: 180, ...withInput(input) }),
    spawnCli: (args) => spawn(process.execPath, cliArgs(args), { stdio: ["ignore", "pipe", "pipe"] }),
    async token() {
      const secret = await cluster.get<{ data: { token: string } }>([
        "secret",
        "-n",
        namespace,
        "fairlead-admin-token",
      ]);
      return Buffer.from(secret.data.token, "base64").toString();
    },
    get pid() {
      return child?.pid ?? 0;
    },
    async memoryMiB() {
      const status = await mustRun("cat", [`/proc/${child?.pid}/status`]);
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    },
    kill: async () => void (await end("SIGKILL")),
    start,
    stop: () => end("SIGTERM"),
  };
  await start();
  return agent;
}
