/** `fairlead app exec`: a program in a container of an app, wherever that runs. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { Queue } from "../base/queue.ts";
import { createFairleadClient } from "../client/index.ts";
import type { ExecRequestSchema } from "../gen/fairlead/console/v1/pod_service_pb.ts";
import { namespaceOption, withSession } from "./command.ts";
import type { CliContext, Terminal } from "./context.ts";
import { CliError, ProgramEnd } from "./errors.ts";

interface ExecOptions {
  readonly namespace?: string;
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly container?: string;
  readonly pod?: string;
  readonly peer?: string;
}

type Request = MessageInitShape<typeof ExecRequestSchema>;

export function addAppExec(app: Command, context: CliContext): void {
  const { terminal } = context;
  const exec = app
    .command("exec <name> <command...>")
    .description("run a program in a container of an app; its exit code becomes this one's")
    .usage("[options] <name> -- <program> [argument...]")
    .addOption(namespaceOption())
    .option("-i, --stdin", "pass standard input on")
    .option("-t, --tty", "at a terminal of its own, of the size of this one")
    .option("-c, --container <name>", "the container; by default the app's own")
    .option("--pod <name>", "the pod; by default one that is ready")
    .option("--peer <name>", "the peer, for an app that runs at several");
  exec.action((name: string, command: string[], options: ExecOptions) =>
    withSession(exec, context, async (connection, session, signal) => {
      const { keyboard } = terminal;
      if (options.tty && !keyboard.isTerminal)
        terminal.err("standard input is no terminal, so the program gets none\n");
      const tty = options.tty === true && keyboard.isTerminal;
      const input = options.stdin === true;
      const left = new AbortController();
      const size = tty ? keyboard.size() : undefined;
      const app = { namespace: options.namespace ?? connection.namespace, name };
      const target = { app, pod: options.pod ?? "", container: options.container ?? "", peer: options.peer ?? "" };
      const start: Request = {
        event: { case: "start", value: { target, command, input, tty, ...(size && { size }) } },
      };
      const requests = told(terminal, start, { input, tty }, left.signal);
      const { pods } = createFairleadClient({ transport: session.transport });
      const call = pods.exec(requests, { signal: AbortSignal.any([signal, left.signal]) });
      const release = tty && input ? keyboard.raw() : undefined;
      try {
        for await (const { event } of call) {
          if (event.case === "output") await terminal.write(event.value);
          else if (event.case === "errorOutput") await terminal.writeError(event.value);
          else if (event.case === "exit") return end(event.value);
        }
        throw new CliError("the connection to the program ended before it had said how the program did");
      } finally {
        release?.();
        left.abort(new Error("The program has ended."));
      }
    }),
  );
}

/** Its code is ours, as a shell has it. */
function end({ code, message }: { code: number; message: string }): void {
  if (code !== 0) throw new ProgramEnd(code, message);
}

/** What is told of this end: what to run, what is typed, and the size of the terminal whenever it changes. */
async function* told(
  { keyboard }: Terminal,
  start: Request,
  { input, tty }: { input: boolean; tty: boolean },
  signal: AbortSignal,
): AsyncGenerator<Request, void, undefined> {
  yield start;
  // Only the latest size counts, so one is enough; input is read when the one before has gone.
  const news = new Queue<"input" | "size">(2);
  const typed = input ? keyboard.read(signal)[Symbol.asyncIterator]() : undefined;
  let next: IteratorResult<Uint8Array, unknown> | undefined;
  let failure: unknown;
  let resized = false;
  const readOn = (): void => {
    typed?.next().then(
      (result) => {
        next = result;
        news.push("input");
      },
      (error: unknown) => {
        failure = error;
        news.push("input");
      },
    );
  };
  const stop = tty
    ? keyboard.onResize(() => {
        if (!resized) resized = news.push("size");
      })
    : undefined;
  const close = (): void => news.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    readOn();
    for await (const what of news) {
      if (what === "size") {
        resized = false;
        const size = keyboard.size();
        if (size) yield { event: { case: "size", value: size } };
      } else if (failure) throw failure;
      else if (next?.done) yield { event: { case: "endOfInput", value: {} } };
      else if (next) {
        yield { event: { case: "input", value: next.value } };
        readOn();
      }
    }
  } finally {
    stop?.();
    signal.removeEventListener("abort", close);
  }
}
