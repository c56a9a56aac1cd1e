/** `GET pods/<name>/log`. */
import type { ServerResponse } from "node:http";
import type { Clock } from "../../base/clock.ts";
import type { Reply } from "../api/reply.ts";
import { type ApiRequest, flag, type Target } from "../api/request.ts";
import { isPod, type Pod } from "../controllers/shapes.ts";
import { microTimestamp } from "../object.ts";
import type { Registry } from "../registry/registry.ts";
import type { Resource } from "../resource.ts";
import { badRequest, notFound } from "../status-error.ts";
import type { Kubelet } from "./kubelet.ts";
import type { LogBuffer, LogLine } from "./log-buffer.ts";

export interface PodHandlerDeps {
  registry: Registry;
  clock: Clock;
  pods: Resource;
  kubelet: Pick<Kubelet, "container" | "localPort">;
}

/** A follower that lets this much wait unread is cut off (bytes). */
const maxUnreadBytes = 8 * 1024 * 1024;

export function podLog(deps: PodHandlerDeps, request: ApiRequest, target: Target): Reply {
  const { query } = request;
  const pod = podOf(deps, target);
  const name = containerOf(pod, query.get("container"));
  const container = deps.kubelet.container(pod.metadata.uid, name);
  const log = container?.log(flag(query, "previous"));
  if (!log) {
    const where = `container "${name}" in pod "${pod.metadata.name}"`;
    throw badRequest(
      container
        ? `previous terminated ${where} not found`
        : `${where} is waiting to start: ${pod.spec.initContainers ? "PodInitializing" : "ContainerCreating"}`,
    );
  }
  const state = container?.status().state.waiting;
  if (state && log.lines().length === 0 && state.reason !== "CrashLoopBackOff") {
    throw badRequest(`container "${name}" in pod "${pod.metadata.name}" is waiting to start: ${explain(state.reason)}`);
  }
  return { stream: (response) => stream(deps.clock, request, log, response) };
}

export function podOf(deps: Pick<PodHandlerDeps, "registry" | "pods">, target: Target): Pod {
  const found = deps.registry.get(deps.pods, target.namespace, target.name ?? "");
  if (!isPod(found)) throw notFound(deps.pods, target.name ?? "");
  return found;
}

export function containerOf(pod: Pod, asked: string | null): string {
  const names = pod.spec.containers.map((container) => container.name);
  const init = (pod.spec.initContainers ?? []).map((container) => container.name);
  const [only = ""] = names;
  if (asked) {
    if (![...names, ...init].includes(asked))
      throw badRequest(`container ${asked} is not valid for pod ${pod.metadata.name}`);
    return asked;
  }
  const preferred = pod.metadata.annotations?.["kubectl.kubernetes.io/default-container"];
  if (preferred && names.includes(preferred)) return preferred;
  if (names.length === 1) return only;
  throw badRequest(
    `a container name must be specified for pod ${pod.metadata.name}, choose one of: [${[...init, ...names].join(" ")}]`,
  );
}

function explain(reason: string): string {
  return reason === "ErrImagePull" || reason === "ImagePullBackOff" ? "trying and failing to pull image" : reason;
}

async function stream(clock: Clock, request: ApiRequest, log: LogBuffer, response: ServerResponse): Promise<void> {
  const { query, signal } = request;
  const withTime = flag(query, "timestamps");
  const sinceSeconds = Number(query.get("sinceSeconds") ?? 0);
  const sinceTime = query.get("sinceTime");
  const since = sinceTime ? Date.parse(sinceTime) : sinceSeconds > 0 ? clock.now() - sinceSeconds * 1000 : 0;
  let leftBytes = Number(query.get("limitBytes") ?? Number.POSITIVE_INFINITY);
  const write = ({ time, text }: LogLine): void => {
    const line = Buffer.from(`${withTime ? `${microTimestamp(time)} ` : ""}${text}\n`).subarray(0, leftBytes);
    leftBytes -= line.length;
    if (line.length > 0) response.write(line);
  };
  const recent = log.lines().filter(({ time }) => time >= since);
  const tail = query.get("tailLines");
  response.writeHead(200, { "Content-Type": "text/plain", "Cache-Control": "no-cache, private" });
  response.flushHeaders();
  for (const line of tail === null ? recent : recent.slice(Math.max(0, recent.length - Number(tail)))) write(line);
  if (!flag(query, "follow")) {
    response.end();
    return;
  }
  await new Promise<void>((resolve) => {
    const end = (): void => {
      unfollow();
      signal.removeEventListener("abort", end);
      response.end();
      resolve();
    };
    let unfollow = (): void => undefined;
    signal.addEventListener("abort", end, { once: true });
    unfollow = log.follow((line) => {
      if (!line || leftBytes <= 0) queueMicrotask(end);
      else if (response.writableLength > maxUnreadBytes) response.destroy();
      else write(line);
    });
    if (signal.aborted) end();
  });
}
