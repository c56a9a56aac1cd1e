import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** A process of the benchmark that has told what it has to tell. */
export interface Forked<T> {
  readonly told: T;
  readonly pid: number;
  send(message: string): void;
  /** Sends it and resolves with the next message. */
  ask(message: string): Promise<unknown>;
  end(): Promise<void>;
}

const readyWithinMs = 60_000;
const endWithinMs = 3_000;

/** Forks a script beside this folder and resolves with its first message. Rejects when it ends before. */
export async function forkTold<T>(path: string, args: readonly string[]): Promise<Forked<T>> {
  const script = new URL(`../${path}`, import.meta.url).pathname;
  const child: ChildProcess = fork(script, args, { stdio: ["ignore", 2, 2, "ipc"] });
  const [told] = await Promise.race([
    once(child, "message", { signal: AbortSignal.timeout(readyWithinMs) }),
    once(child, "exit").then(() => {
      throw new Error(`${path} ended before it was ready.`);
    }),
  ]);
  return {
    told: told as T,
    pid: child.pid ?? 0,
    send: (message) => void child.send(message, () => undefined),
    async ask(message) {
      const answered = once(child, "message");
      child.send(message);
      const [answer] = await answered;
      return answer;
    },
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      // Each ends by itself when it is left alone, and writes its profile, if one is made, before.
      child.disconnect();
      const timer = setTimeout(() => child.kill("SIGKILL"), endWithinMs);
      await gone;
      clearTimeout(timer);
    },
  };
}
