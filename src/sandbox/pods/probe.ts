/** Probes: what is asked of a container now and then, and what its answers come to. */
import { request } from "node:http";
import { connect } from "node:net";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Handler, Probe } from "../controllers/shapes.ts";

export interface ProbeAnswer {
  ok: boolean;
  /** Why not, in a kubelet's words. */
  message?: string;
}

export interface ProbeTarget {
  /** The loopback port behind a container's port, by number or name; undefined while nothing listens. */
  localPort(port: number | string): number | undefined;
  /** Without processes nothing listens, and every port is taken to answer. */
  answersPorts: boolean;
  exec(command: readonly string[], signal: AbortSignal): Promise<{ code: number; output: string }>;
}

/** Asks as the probe says, until it is stopped. `judged` is told each answer that comes to something. */
export function startProbe(
  o: { probe: Probe; clock: Clock; target: ProbeTarget },
  judged: (isWell: boolean, message: string) => void,
): { stop(): void } {
  const { probe, clock, target } = o;
  const { initialDelaySeconds = 0, periodSeconds = 10, timeoutSeconds = 1 } = probe;
  const { successThreshold = 1, failureThreshold = 3 } = probe;
  const stopped = new AbortController();
  let successes = 0;
  let failures = 0;
  let timer: Timer | undefined = clock.after(initialDelaySeconds * 1000, () => void ask());
  async function ask(): Promise<void> {
    const answer = await askOnce(
      probe,
      target,
      AbortSignal.any([stopped.signal, AbortSignal.timeout(timeoutSeconds * 1000)]),
    );
    if (stopped.signal.aborted) return;
    [successes, failures] = answer.ok ? [successes + 1, 0] : [0, failures + 1];
    if (successes >= successThreshold) judged(true, "");
    else if (failures >= failureThreshold) judged(false, answer.message ?? "");
    if (!stopped.signal.aborted) timer = clock.after(periodSeconds * 1000, () => void ask());
  }
  return {
    stop() {
      stopped.abort();
      timer?.cancel();
      timer = undefined;
    },
  };
}

async function askOnce(handler: Handler, target: ProbeTarget, signal: AbortSignal): Promise<ProbeAnswer> {
  const { exec, httpGet, tcpSocket, grpc } = handler;
  if (exec) {
    const { code, output } = await target.exec(exec.command ?? [], signal);
    return { ok: code === 0, message: signal.aborted ? "command timed out" : output.trim() };
  }
  if (!target.answersPorts) return { ok: true };
  if (httpGet) return askHttp(httpGet, target.localPort(httpGet.port), signal);
  const port = tcpSocket?.port ?? grpc?.port ?? 0;
  const local = target.localPort(port);
  if (local === undefined) return refused(port);
  // A program of the sandbox serves no gRPC, so that a probe by it is one that finds the port open.
  return new Promise((resolve) => {
    const socket = connect({ port: local, host: "127.0.0.1", signal });
    socket.once("connect", () => {
      resolve({ ok: true });
      socket.destroy();
    });
    socket.once("error", () => resolve(refused(port)));
  });
}

function refused(port: number | string): ProbeAnswer {
  return { ok: false, message: `dial tcp 127.0.0.1:${port}: connect: connection refused` };
}

function askHttp(
  { path = "/", port, httpHeaders = [] }: NonNullable<Handler["httpGet"]>,
  local: number | undefined,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const url = `http://127.0.0.1:${port}${path}`;
  if (local === undefined) return Promise.resolve({ ok: false, message: `Get "${url}": ${refused(port).message}` });
  const headers = Object.fromEntries([
    ["User-Agent", "kube-probe/1.34"],
    ...httpHeaders.map(({ name, value }) => [name, value]),
  ]);
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port: local, path, headers, signal, agent: false }, (response) => {
      const status = response.statusCode ?? 0;
      response.resume();
      const ok = status >= 200 && status < 400;
      resolve(ok ? { ok } : { ok, message: `HTTP probe failed with statuscode: ${status}` });
    });
    asked.on("error", (error) => {
      const why = signal.aborted
        ? "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        : error.message;
      resolve({ ok: false, message: `Get "${url}": ${why}` });
    });
    asked.end();
  });
}
