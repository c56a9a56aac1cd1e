/** A built-in program as a child process of this one. It ends with its parent, whatever happens to that. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { isObject } from "../json.ts";

export interface RunningProgram {
  /** Loopback ports by the container port that they stand for, once the program listens. */
  readonly ports: ReadonlyMap<number, number>;
  /** Asks it to end, and after the grace makes it. */
  stop(graceMs: number): void;
}

export interface ProgramListener {
  line(text: string): void;
  listening(): void;
  /** Called once, after the last line. */
  exit(code: number): void;
}

export function startProgram(
  o: { url: URL; args: readonly string[]; env: Readonly<Record<string, string>>; ports: readonly number[] },
  listener: ProgramListener,
): RunningProgram {
  const ports = new Map<number, number>();
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", o.url.pathname, ...o.args], {
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      ...o.env,
      SANDBOX_PORTS: o.ports.join(","),
    },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const lines = [child.stdout, child.stderr].map((stream) => readLines(stream, listener));
  child.on("message", (message) => {
    if (!isObject(message) || !isObject(message.listening)) return;
    for (const [port, local] of Object.entries(message.listening)) ports.set(Number(port), Number(local));
    listener.listening();
  });
  let hasEnded = false;
  const end = (code: number): void => {
    if (hasEnded) return;
    hasEnded = true;
    void Promise.all(lines).then(() => listener.exit(code));
  };
  child.on("error", (error) => {
    listener.line(String(error));
    end(128);
  });
  child.on("exit", (code, signal) => end(code ?? 128 + (signal === "SIGKILL" ? 9 : 15)));
  return { ports, stop: (graceMs) => stop(child, graceMs) };
}

/** Resolves when the stream has ended and every line of it has been told. */
function readLines(stream: Readable | null, listener: ProgramListener): Promise<void> {
  if (!stream) return Promise.resolve();
  const reader = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  reader.on("line", (text) => listener.line(text));
  return new Promise((resolve) => reader.once("close", resolve));
}

function stop(child: ChildProcess, graceMs: number): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (graceMs <= 0) {
    child.kill("SIGKILL");
    return;
  }
  child.kill("SIGTERM");
  const hurry = setTimeout(() => child.kill("SIGKILL"), graceMs);
  child.once("exit", () => clearTimeout(hurry));
}
