/** An agent without a cluster as a process of its own, and commands to it, which find it by its directory as people's do. */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, on, once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connectToAgent } from "../../src/cli/connection.ts";
import type { CliContext } from "../../src/cli/context.ts";
import { freePorts } from "../../src/demo/free-port.ts";
import { findConsole } from "../../src/standalone/console-file.ts";
import { type Ran, type Running, run, start } from "../cli/world.ts";

const program = new URL("../../src/main.ts", import.meta.url).pathname;

export interface Machine {
  readonly name: string;
  /** Its state. */
  readonly directory: string;
  /** Runs a command to success, and gives what it printed. */
  cli(...args: string[]): Promise<string>;
  tryCli(...args: string[]): Promise<Ran>;
  /** Starts a command that runs on. */
  startCli(...args: string[]): Running;
  /** Puts another list of targets in place of the last, and has the agent read it; resolves with what its log says to it. */
  offer(targets: readonly object[]): Promise<string>;
  start(): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Not started yet. */
export async function createMachine(name: string, targets: readonly object[]): Promise<Machine> {
  const folder = await mkdtemp(join(tmpdir(), "fairlead-machine-"));
  const directory = join(folder, "state");
  const config = join(folder, "fairlead.yaml");
  const [console, link, telemetry] = await freePorts(0);
  let child: ChildProcess | undefined;
  const said = new EventEmitter<{ line: [string] }>();

  async function write(offered: readonly object[]): Promise<void> {
    await writeFile(
      `${config}.new`,
      JSON.stringify({
        name,
        standalone: { enabled: true, directory, targets: offered },
        console: { port: console },
        link: { host: "127.0.0.1", port: link, url: `ws://127.0.0.1:${link}` },
        telemetry: { host: "127.0.0.1", port: telemetry },
      }),
    );
    await rename(`${config}.new`, config);
  }
  await write(targets);

  const connect: CliContext["connect"] = (options, signal) =>
    connectToAgent(
      {
        version: "0.0.1",
        env: { FAIRLEAD_STATE: directory },
        findConsole,
        openCluster: () => Promise.reject(new Error("there is no cluster here")),
      },
      options,
      signal,
    );

  async function kill(): Promise<void> {
    const ending = child;
    child = undefined;
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = once(ending, "exit");
    ending.kill("SIGKILL");
    await gone;
  }

  return {
    name,
    directory,
    tryCli: (...args) => run(undefined, args, { connect }),
    async cli(...args) {
      const ran = await run(undefined, args, { connect });
      if (ran.code !== 0) throw new Error(`fairlead ${args.join(" ")} ended with ${ran.code}: ${ran.err}`);
      return ran.out;
    },
    startCli: (...args) => start(undefined, args, { connect }),
    async offer(offered) {
      await write(offered);
      const answer = (async () => {
        for await (const [line] of on(said, "line", { signal: AbortSignal.timeout(60_000) })) {
          if (/"configuration (not )?read/.test(line)) return String(line);
        }
        return "";
      })();
      child?.kill("SIGHUP");
      return answer;
    },
    async start() {
      // Its ports were free, and somebody's connection may have one meanwhile, for a moment.
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await startOnce();
        } catch (error) {
          if (attempt === 20 || !(error instanceof Error && error.message.includes("EADDRINUSE"))) throw error;
        }
      }
    },
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };

  async function startOnce(): Promise<void> {
    const { FAIRLEAD_STATE: _, STATE_DIRECTORY: __, ...env } = process.env;
    const started = spawn(process.execPath, [program, "agent", "--config", config], {
      stdio: ["ignore", "ignore", "pipe"],
      env,
    });
    child = started;
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      started.once("error", reject);
      started.once("exit", (code) => reject(new Error(`agent ${name} ended with ${code}:\n${lines.join("\n")}`)));
      createInterface({ input: started.stderr }).on("line", (line) => {
        if (lines.length < 1_000) lines.push(line);
        said.emit("line", line);
        if (line.includes("agent is ready")) resolve(); // What comes after it is read all the same, for the pipe must flow.
      });
    });
  }
}

/** Says each line back, with a word before it. */
export async function startEcho(word: string): Promise<Server & { readonly port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    socket.write(`${word}\n`);
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return Object.assign(server, { port: typeof address === "object" && address !== null ? address.port : 0 });
}
