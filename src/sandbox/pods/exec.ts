/**
 * `pods/<name>/exec` by WebSocket (`v5.channel.k8s.io`, `v4.channel.k8s.io`), with a terminal or without. The sandbox has no
 * containers to run commands in, and it never runs them on the machine: it plays a few of a shell's commands itself.
 */
import type { Duplex } from "node:stream";
import type { ApiRequest, Target } from "../api/request.ts";
import { flag } from "../api/request.ts";
import { at } from "../json.ts";
import { badRequest } from "../status-error.ts";
import type { CommandContext } from "./command-context.ts";
import { runCommand } from "./commands.ts";
import { containerOf, type PodHandlerDeps, podOf } from "./log-handler.ts";
import { createTerminal, type TerminalEnd } from "./terminal.ts";
import { acceptWebSocket } from "./websocket.ts";

const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;

/** An API server reads what a program prints in pieces of so many bytes, and sends a message for each. */
const pieceBytes = 32 * 1024;
/** When this much of the standard input waits unread, no more of it is taken until the command has read on (bytes). */
const maxInputBytes = 256 * 1024;

export function podExec(deps: PodHandlerDeps, request: ApiRequest, target: Target, socket: Duplex, head: Buffer): void {
  const { query } = request;
  const pod = podOf(deps, target);
  const name = containerOf(pod, query.get("container"));
  const container = deps.kubelet.container(pod.metadata.uid, name);
  const command = query.getAll("command");
  if (command.length === 0) throw badRequest("you must specify at least one command for the container");
  if (!container?.running)
    throw badRequest(
      `cannot exec into a container in a completed pod; current phase is ${pod.status?.phase ?? "Unknown"}`,
    );
  const isTerminal = flag(query, "tty");
  acceptWebSocket(request, socket, head, ["v5.channel.k8s.io", "v4.channel.k8s.io"], (webSocket) => {
    const ending = new AbortController();
    const input = createInput(flag(query, "stdin"), () => webSocket.resume());
    const send =
      (channel: number) =>
      (text: string | Uint8Array): void => {
        const data = typeof text === "string" ? Buffer.from(text) : text;
        for (let at = 0; at < data.length || at === 0; at += pieceBytes) {
          webSocket.send(Buffer.from([channel]), data.subarray(at, at + pieceBytes));
        }
      };
    const terminal = isTerminal
      ? createTerminal({
          write: send(channels.stdout),
          line: (text) => void input.push(text),
          ended: () => input.end(),
        })
      : undefined;
    run(command, {
      env: { ...container.env, ...(terminal ? { TERM: "xterm" } : {}) },
      files: container.files,
      input: input.chunks(),
      stdout: terminal?.show ?? send(channels.stdout),
      stderr: terminal?.show ?? send(channels.stderr),
      signal: ending.signal,
      ...(terminal ? { terminal } : {}),
    })
      .then((code) => send(channels.status)(JSON.stringify(statusOf(code))))
      .catch((error: unknown) => send(channels.status)(JSON.stringify({ ...statusOf(126), message: String(error) })))
      .finally(() => webSocket.close());
    return {
      message(data) {
        const [channel] = data;
        if (channel === channels.stdin && terminal) terminal.feed(data.subarray(1));
        else if (channel === channels.stdin) return input.push(data.subarray(1));
        if (channel === channels.resize && terminal) resize(terminal, data.subarray(1));
        if (channel === channels.close && data[1] === channels.stdin) input.end();
        return true;
      },
      closed() {
        input.end();
        ending.abort();
      },
    };
  });
}

/** What is not a shell ends by ^C. */
function run(command: readonly string[], context: CommandContext): Promise<number> {
  const isShell = /(^|\/)(ba|a)?sh$/.test(command[0] ?? "") && command.length === 1;
  const signal = isShell ? context.signal : (context.terminal?.interruptible(context.signal) ?? context.signal);
  return runCommand(command, { ...context, signal });
}

/** Takes the size that the client tells as `{"Width":80,"Height":24}`; what is none is passed over. */
function resize(terminal: TerminalEnd, message: Buffer): void {
  try {
    const size: unknown = JSON.parse(message.toString("utf8"));
    const [columns, rows] = [at(size, "Width"), at(size, "Height")];
    if (typeof columns === "number" && typeof rows === "number") terminal.size = { rows, columns };
  } catch {
    // A size that cannot be read changes nothing.
  }
}

function statusOf(code: number): object {
  if (code === 0) return { metadata: {}, status: "Success" };
  return {
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

function createInput(isOpen: boolean, resume: () => void) {
  const waiting: Buffer[] = [];
  let size = 0;
  let isFull = false;
  let hasEnded = !isOpen;
  let wake = (): void => undefined;
  return {
    /** Whether more may come now; `resume` is called when it may again. */
    push(data: Buffer): boolean {
      if (hasEnded) return true;
      size += data.length;
      isFull = size > maxInputBytes;
      waiting.push(data);
      wake();
      return !isFull;
    },
    end(): void {
      hasEnded = true;
      wake();
    },
    async *chunks(): AsyncGenerator<Buffer> {
      for (;;) {
        const next = waiting.shift();
        if (next) {
          size -= next.length;
          yield next;
          if (isFull && size <= maxInputBytes / 2) {
            isFull = false;
            resume();
          }
        } else if (hasEnded) return;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    },
  };
}
