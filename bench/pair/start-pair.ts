import { type ChildProcess, fork } from "node:child_process";
import type { FromAgent, Introduction, PairPorts, ToAgent } from "./messages.ts";

export interface RunningPair {
  readonly about: PairPorts & { readonly near: { readonly pid: number }; readonly far: { readonly pid: number } };
  /** Resolves when both have ended because they were told to; rejects when one of them ended by itself. */
  readonly ended: Promise<void>;
}

/** From the start to a link that stands, in milliseconds. */
const readyWithinMs = 80_000;
/** An agent that does not end within so long of being asked is killed. */
const endWithinMs = 3_000;

/**
 * Starts both agents, introduces them, and resolves when the link between them stands and connections are taken. Ends them on SIGTERM and
 * SIGINT of this process; they end by themselves when this process is gone. Rejects when they do not get that far, and
 * leaves nothing of them.
 */
export async function startPair(ports: PairPorts): Promise<RunningPair> {
  const far = startAgent("far", ports);
  const near = startAgent("near", ports);
  const agents = [near, far];
  let told = false;
  const tell = (): void => {
    told = true;
    for (const agent of agents) agent.end();
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, tell);
  // Whoever forked this process is gone.
  process.on("disconnect", tell);
  const gone = Promise.all(agents.map((agent) => agent.gone));
  const oneGone = Promise.race(
    agents.map(async (agent) => {
      await agent.gone;
      if (!told) throw new Error(`The ${agent.name} agent ended by itself.`);
    }),
  );
  const ended = oneGone
    .finally(() => tell())
    .then(() => gone)
    .then(() => undefined);
  ended.catch(() => undefined);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error(`There was no link at 127.0.0.1:${ports.dial} within ${readyWithinMs / 1000} s.`));
  }, readyWithinMs);
  try {
    const stopped = oneGone.then(() => {
      throw new Error("It was told to end before it was ready.");
    });
    await Promise.race([introduce(near, far), late.promise, stopped]);
  } catch (error) {
    tell();
    await gone;
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return { about: { ...ports, near: { pid: near.pid }, far: { pid: far.pid } }, ended };
}

async function introduce(near: Agent, far: Agent): Promise<void> {
  const [one, other] = await Promise.all([near.introduction, far.introduction]);
  far.send({ kind: "meet", peer: one });
  await far.ready;
  near.send({ kind: "meet", peer: other });
  await near.ready;
}

interface Agent {
  readonly name: "near" | "far";
  readonly pid: number;
  readonly introduction: Promise<Introduction>;
  readonly ready: Promise<void>;
  /** Resolves when the process is no more. */
  readonly gone: Promise<void>;
  send(message: ToAgent): void;
  end(): void;
}

function startAgent(name: "near" | "far", ports: PairPorts): Agent {
  const script = new URL("agent.ts", import.meta.url).pathname;
  // What it prints goes to standard error: on standard output is the one line that others read.
  const child: ChildProcess = fork(script, [name, JSON.stringify(ports)], { stdio: ["ignore", 2, 2, "ipc"] });
  const introduction = Promise.withResolvers<Introduction>();
  const ready = Promise.withResolvers<void>();
  for (const { promise } of [introduction, ready]) promise.catch(() => undefined);
  child.on("message", (message: FromAgent) => {
    if (message.kind === "introduction") introduction.resolve(message.me);
    else if (message.kind === "ready") ready.resolve();
    else for (const { reject } of [introduction, ready]) reject(new Error(`The ${name} agent: ${message.message}`));
  });
  let over = false;
  const gone = new Promise<void>((resolve) => {
    const settle = (): void => {
      over = true;
      resolve();
    };
    child.once("exit", settle);
    child.once("error", settle);
  });
  return {
    name,
    pid: child.pid ?? 0,
    introduction: introduction.promise,
    ready: ready.promise,
    gone,
    // Whether it is still there shows by `gone`.
    send: (message) => void child.send(message, () => undefined),
    end() {
      if (over) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), endWithinMs);
      void gone.then(() => clearTimeout(timer));
    },
  };
}
