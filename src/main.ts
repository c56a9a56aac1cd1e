/** The process: what it was asked to do, its signals, its streams and its exit code. Everything else is below. */
import { once } from "node:events";
import { createReadStream, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { aborted } from "./base/abort.ts";
import { systemClock } from "./base/clock.ts";
import { errorText } from "./base/error-text.ts";
import { adminTokenSecret, type Cluster, connectToAgent } from "./cli/connection.ts";
import type { CliContext, Terminal } from "./cli/context.ts";
import { editText, keepText } from "./cli/editor.ts";
import { CliError, exitCode } from "./cli/errors.ts";
import { createKeyboard } from "./cli/keyboard.ts";
import { runCli } from "./cli/program.ts";
import { withConfigErrors } from "./cli/settings.ts";
import { compareConfigs, describeConfig, type LoadedConfig, loadConfig } from "./config.ts";
import { connectKube } from "./kube/connect.ts";
import { NoKubeconfig } from "./kube/kubeconfig.ts";
import { secrets, services } from "./kube/resources.ts";
import { rightsIn } from "./kube/rights.ts";
import { decodeData } from "./kube/secret-data.ts";
import { findConsole } from "./standalone/console-file.ts";

// A token on the command line is hidden from process lists, as well as a process can.
if (process.argv.some((arg) => /^--token(=|$)/.test(arg))) process.title = "fairlead";

const version = readVersion();
const interrupted = new AbortController();

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // Whoever asks a second time does not want to wait for the first.
    if (interrupted.signal.aborted) process.exit(exitCode.interrupted);
    interrupted.abort(new Error(`ended by ${signal}`));
  });
}
// A reader that goes away, as in `fairlead app list | head -1`, is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  process.exit(error.code === "EPIPE" ? 0 : exitCode.failed),
);

const terminal: Terminal = {
  out: (chunk) => written(process.stdout, chunk),
  err: (chunk) => void process.stderr.write(chunk),
  write: (chunk) => written(process.stdout, chunk),
  writeError: (chunk) => written(process.stderr, chunk),
  keyboard: createKeyboard(process.stdin, process.stdout),
  readInput: () => text(process.stdin),
  ask,
  editText: (name, content) => editText(process.env, name, content),
  keepText,
  readFile: async (path) => {
    try {
      return await readFile(path, "utf8");
    } catch (cause) {
      throw unreadable(path, cause);
    }
  },
  async *readLines(path) {
    const input = path === "-" ? process.stdin : createReadStream(path);
    try {
      // Waiting for the file to open, so that one that is not there fails here and not in a listener.
      if (input !== process.stdin) await once(input, "open");
      yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
    } catch (cause) {
      throw unreadable(path, cause);
    }
  },
  interactive: process.stdout.isTTY === true,
  env: process.env,
};

const context: CliContext = {
  terminal,
  signal: interrupted.signal,
  version,
  openRights: async ({ kubeconfig, context }) =>
    rightsIn(await connectKube({ ...(kubeconfig && { kubeconfig }), ...(context && { context }), clock: systemClock })),
  connect: (options, signal) =>
    connectToAgent({ env: process.env, version, openCluster, findConsole }, options, signal),
  describeConfig: (flags, file) => describeConfig(readConfig(flags, file)),
  async *lookAtUrl(url, signal) {
    const { link } = readConfig({}, undefined).config;
    const { lookAtUrl } = await import("./doctor/look-at-url.ts");
    const outer = {
      insecure: link.insecure,
      ...(link.caFile !== undefined && { rootCaPem: await terminal.readFile(link.caFile) }),
    };
    yield* lookAtUrl({ clock: systemClock }, "here", { url, outer, proxy: link }, signal);
  },
  runAgent,
  // An agent and a demo are much to load, and most commands are neither.
  async runDemo({ once }) {
    const { runDemo } = await import("./demo/demo.ts");
    return runDemo({
      once,
      version,
      print: (line) => void process.stdout.write(line),
      signal: interrupted.signal,
      colours: terminal.interactive && !process.env.NO_COLOR,
    });
  },
};

process.exitCode = await runCli(process.argv.slice(2), context);
// Idle keep-alive connections must not hold a command that is done.
process.exit();

function unreadable(path: string, cause: unknown): CliError {
  return new CliError(`${path} cannot be read: ${errorText(cause)}`, { code: exitCode.usage, cause });
}

/** Resolves when there is room for more. */
function written(stream: NodeJS.WriteStream, chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (stream.write(chunk)) resolve();
    else stream.once("drain", resolve);
  });
}

/** Asks on standard error, so that what is piped on is the result alone. */
async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const interrupt = (): void => lines.close();
  interrupted.signal.addEventListener("abort", interrupt, { once: true });
  try {
    process.stderr.write(question);
    for await (const line of lines) return line;
    return "";
  } finally {
    interrupted.signal.removeEventListener("abort", interrupt);
    lines.close();
  }
}

/** Runs an agent until SIGINT or SIGTERM; SIGHUP reads the configuration again and takes over what may change live. */
async function runAgent(flags: Readonly<Record<string, string>>, file: string | undefined): Promise<void> {
  let loaded = withConfigErrors(() => readConfig(flags, file));
  const { createLog } = await import("./telemetry/log.ts");
  const { logProcess } = await import("./telemetry/process-log.ts");
  const { createLogRing } = await import("./telemetry/log-ring.ts");
  const ownLog = createLogRing();
  const log = createLog({ level: loaded.config.log.level, keep: (line) => ownLog.add(line) });
  logProcess(process, log, () => process.exit(exitCode.failed));
  const { startAgent } = await import("./agent.ts");
  const agent = await startAgent({ loaded, log, ownLog, clock: systemClock, version }, interrupted.signal);
  const onReload = async (): Promise<void> => {
    try {
      const next = readConfig(flags, file);
      await agent.reload(next, interrupted.signal);
      for (const { name, live } of compareConfigs(loaded, next)) {
        if (!live) log.warn({ setting: name }, "setting changed; it takes effect at the next start");
      }
      log.setLevel(next.config.log.level);
      loaded = next;
      log.info({ level: next.config.log.level }, "configuration read again");
    } catch (error) {
      log.error({ err: error }, "configuration not read; the old one stays in force");
    }
  };
  let reloading: Promise<void> = Promise.resolve();
  const onHangUp = (): void => {
    reloading = reloading.then(onReload);
  };
  process.on("SIGHUP", onHangUp);
  await aborted(interrupted.signal);
  log.info({}, "agent is stopping");
  process.removeListener("SIGHUP", onHangUp);
  await reloading;
  await agent.close();
  log.info({}, "agent has stopped");
}

function readConfig(flags: Readonly<Record<string, string>>, file: string | undefined): LoadedConfig {
  const path = file ?? process.env.FAIRLEAD_CONFIG;
  return loadConfig({ flags, env: process.env, ...(path && { file: { path, text: readFileSync(path, "utf8") } }) });
}

/** The cluster of a kubeconfig, with what a command needs of it; undefined when there is no kubeconfig. */
async function openCluster(options: { kubeconfig?: string; context?: string }): Promise<Cluster | undefined> {
  const kube = await connectKube({ ...options, clock: systemClock }).catch((error: unknown) => {
    if (error instanceof NoKubeconfig) return undefined;
    throw error;
  });
  if (!kube) return undefined;
  return {
    namespace: kube.namespace,
    async readToken(namespace, signal) {
      const secret = await kube.client.get(secrets, { namespace, name: adminTokenSecret }, signal);
      return secret && decodeData(secret, "token")?.trim();
    },
    async dialAgent(namespace, signal) {
      const service = await kube.client.get(services, { namespace, name: "fairlead" }, signal);
      if (!service) {
        throw new CliError(`there is no Service fairlead in namespace ${namespace}`, {
          code: exitCode.unavailable,
          hint: "--server URL for an agent outside the cluster, or --agent-namespace NAME",
        });
      }
      return kube.dialService({ namespace, name: "fairlead" }, 8000, signal);
    },
  };
}

function readVersion(): string {
  const parsed: { version?: unknown } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return typeof parsed.version === "string" ? parsed.version : "unknown";
}
