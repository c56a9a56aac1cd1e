/**
 * `pods/<name>/exec` without a terminal, by WebSocket (`v5.channel.k8s.io`, `v4.channel.k8s.io`). The sandbox has no
 * containers to run commands in, and it never runs them on the machine: it plays a few of a shell's commands itself.
 */
import type { Duplex } from "node:stream";
import type { ApiRequest, Target } from "../api/request.ts";
import { flag } from "../api/request.ts";
import { badRequest } from "../status-error.ts";
import { runCommand } from "./commands.ts";
import { containerOf, type PodHandlerDeps, podOf } from "./log-handler.ts";
import { acceptWebSocket } from "./websocket.ts";

const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255 } as const;

/** Standard input that waits unread is bounded by this (bytes). */
const maxInputBytes = 1024 * 1024;

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
  if (flag(query, "tty")) throw badRequest("the sandbox has no terminals: run the command without a tty");
  const env: Record<string, string> = {
    HOSTNAME: pod.metadata.name,
    PATH: "/bin",
    ...Object.fromEntries((container.spec.env ?? []).map((each) => [each.name, each.value ?? ""])),
  };
  acceptWebSocket(request, socket, head, ["v5.channel.k8s.io", "v4.channel.k8s.io"], (webSocket) => {
    const ending = new AbortController();
    const input = createInput(flag(query, "stdin"));
    const send =
      (channel: number) =>
      (text: string | Uint8Array): void => {
        webSocket.send(Buffer.from([channel]), typeof text === "string" ? Buffer.from(text) : text);
      };
    runCommand(command, {
      env,
      input: input.chunks(),
      stdout: send(channels.stdout),
      stderr: send(channels.stderr),
      signal: ending.signal,
    })
      .then((code) => send(channels.status)(JSON.stringify(statusOf(code))))
      .catch((error: unknown) => send(channels.status)(JSON.stringify({ ...statusOf(126), message: String(error) })))
      .finally(() => webSocket.close());
    return {
      message(data) {
        const [channel] = data;
        if (channel === channels.stdin) input.push(data.subarray(1));
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

function createInput(isOpen: boolean) {
  const waiting: Buffer[] = [];
  let size = 0;
  let hasEnded = !isOpen;
  let wake = (): void => undefined;
  return {
    push(data: Buffer): void {
      size += data.length;
      if (size > maxInputBytes) hasEnded = true;
      else waiting.push(data);
      wake();
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
