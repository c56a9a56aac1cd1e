/** What one container of a pod says about itself. Pure. */
import { create } from "@bufbuild/protobuf";
import { type AppContainer, AppContainerSchema } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { Pod } from "../../kube/resources.ts";
import { shorten } from "../../policy/shorten.ts";
import { containerName } from "./containers.ts";

export type ContainerStatus = NonNullable<NonNullable<Pod["status"]>["containerStatuses"]>[number];

/** How a run of a container ended. */
export type Ended = NonNullable<NonNullable<ContainerStatus["lastState"]>["terminated"]>;

/** Why something does not work, or not yet. `isTrouble`: it will not by itself. */
export interface Why {
  readonly reason: string;
  readonly message: string;
  readonly isTrouble: boolean;
  readonly exitCode?: number;
}

export interface ContainerState {
  readonly container: AppContainer;
  readonly status: ContainerStatus;
  /** Undefined when there is nothing to say: it does what it should. */
  readonly why: Why | undefined;
  /** Its last run, when that ended as it should not have, and since then it has not run for long enough. */
  readonly crashed: Ended | undefined;
  /** It works again after a crash, and counts as steady in so many milliseconds. */
  readonly steadyInMs?: number;
}

/** A container that was started again counts as crashing until it has run for so long. */
const steadyMs = 10_000;

/** What a kubelet says while it goes on starting a container. */
const starting = new Set(["ContainerCreating", "PodInitializing"]);

/** Words for one and the same trouble, between which a kubelet changes with each attempt. */
const sameTrouble: Record<string, string> = { ErrImagePull: "ImagePullBackOff" };

/** Of the messages that kubelets and runtimes write. */
export const mostMessageChars = 512;

/** Of words for programs, which Kubernetes writes. */
const mostWordChars = 128;

/** All of a pod's containers: the app's own first, then the others as the pod names them, then those that run before them. */
export function containerStates(pod: Pod, now: number): ContainerState[] {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const order = containers.map(({ name }) => name);
  const initOrder = initContainers.map(({ name }) => name);
  const sidecars = new Set(initContainers.filter((each) => each.restartPolicy === "Always").map(({ name }) => name));
  const statuses = pod.status?.containerStatuses ?? [];
  const initStatuses = pod.status?.initContainerStatuses ?? [];
  const isAlone = statuses.length + initStatuses.length === 1;
  const mayEnd = pod.spec?.restartPolicy === "Never" || pod.spec?.restartPolicy === "OnFailure";
  // A container that is never started again has ended some moments before its pod says so.
  const isOver = hasEnded(pod) || pod.spec?.restartPolicy === "Never";
  return [
    ...sorted(statuses, [containerName, ...order]).map((status) =>
      stateOf(status, { now, called: isAlone ? "The container" : `Container ${status.name}`, mayEnd, isOver }),
    ),
    ...sorted(initStatuses, initOrder).map((status) => {
      // What runs beside the others from before may be stopped when they are done.
      const isSidecar = sidecars.has(status.name);
      const called = `${isSidecar ? "Sidecar" : "Init container"} ${status.name}`;
      return stateOf(status, { now, called, mayEnd: !isSidecar || hasEnded(pod), isOver, isInit: true });
    }),
  ];
}

export function hasEnded({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

function sorted(statuses: readonly ContainerStatus[], order: readonly string[]): ContainerStatus[] {
  const place = ({ name }: ContainerStatus): number => {
    const at = order.indexOf(name);
    return at < 0 ? order.length : at;
  };
  return statuses.toSorted((a, b) => place(a) - place(b));
}

interface Circumstances {
  readonly now: number;
  /** At the beginning of a sentence. */
  readonly called: string;
  /** It may end with success and is not started again then. */
  readonly mayEnd: boolean;
  /** What has ended is not started again. */
  readonly isOver: boolean;
  readonly isInit?: boolean;
}

function stateOf(status: ContainerStatus, circumstances: Circumstances): ContainerState {
  const { now, mayEnd, isInit } = circumstances;
  const end = status.state?.terminated ?? status.lastState?.terminated;
  const isDone = mayEnd && status.state?.terminated?.exitCode === 0;
  const startedAt = status.state?.running?.startedAt;
  const ranMs = startedAt === undefined ? undefined : now - Date.parse(startedAt);
  // One that runs to an end is not "ready" meanwhile, and one that waits for the others has no end of its own.
  const isRunning = isInit && mayEnd ? ranMs !== undefined : status.ready && ranMs !== undefined;
  const isSteady = isRunning && ranMs !== undefined && ranMs >= steadyMs;
  const crashed = end && !isDone && !isSteady ? end : undefined;
  const why = isDone ? undefined : explain(status, crashed, circumstances);
  return {
    container: told(status, end, why, isInit === true),
    status,
    why,
    crashed,
    ...(crashed && isRunning && ranMs !== undefined ? { steadyInMs: Math.max(1, steadyMs - ranMs) } : {}),
  };
}

function explain(status: ContainerStatus, crashed: Ended | undefined, circumstances: Circumstances): Why | undefined {
  const { called, isInit, mayEnd } = circumstances;
  if (crashed) return explainEnd(crashed, circumstances);
  const { waiting, running } = status.state ?? {};
  if (waiting?.reason && !starting.has(waiting.reason)) {
    const reason = shorten(sameTrouble[waiting.reason] ?? waiting.reason, mostWordChars);
    const message = waiting.message ?? `${called} waits: ${waiting.reason}.`;
    return { reason, message: shorten(message, mostMessageChars), isTrouble: true };
  }
  if (running && isInit && mayEnd)
    return { reason: "Initializing", message: `${called} runs; the others come after it.`, isTrouble: false };
  if (running && !status.ready)
    return { reason: "NotReady", message: `${called} runs and is not ready yet.`, isTrouble: false };
  if (running) return undefined;
  return { reason: waiting?.reason ?? "Starting", message: "The pod is being started.", isTrouble: false };
}

function explainEnd(end: Ended, { called, isOver }: Circumstances): Why {
  const { exitCode } = end;
  if (end.reason === "OOMKilled") {
    const message = `${called} was killed because it used more memory than its limit (exit code ${exitCode}).`;
    return { reason: "OOMKilled", message, isTrouble: true, exitCode };
  }
  const cannotStart = end.reason === "ContainerCannotRun" || end.reason === "StartError";
  const said = end.message ? `: ${end.message}` : "";
  const ends = isOver ? "ended" : "keeps ending,";
  const message = cannotStart
    ? `${called} cannot be started (exit code ${exitCode})${said}`
    : `${called} ${ends} with exit code ${exitCode}${said}`;
  const reason = cannotStart ? "ContainerCannotRun" : isOver ? "Error" : "CrashLoopBackOff";
  return { reason, message: shorten(message, mostMessageChars), isTrouble: true, exitCode };
}

function told(status: ContainerStatus, end: Ended | undefined, why: Why | undefined, isInit: boolean): AppContainer {
  const state = stateWord(status);
  const reason = why?.reason ?? status.state?.terminated?.reason;
  const digest = digestOf(status.imageID);
  return create(AppContainerSchema, {
    name: status.name,
    ...(isInit ? { init: true } : {}),
    ready: status.ready,
    ...(state ? { state } : {}),
    ...(reason ? { reason: shorten(reason, mostWordChars) } : {}),
    restarts: status.restartCount,
    ...(end ? { exitCode: end.exitCode } : {}),
    ...(end?.finishedAt ? { finishedAt: end.finishedAt } : {}),
    ...(digest ? { imageDigest: digest } : {}),
  });
}

function stateWord({ state }: ContainerStatus): "Waiting" | "Running" | "Terminated" | undefined {
  if (state?.running) return "Running";
  if (state?.terminated) return "Terminated";
  return state?.waiting ? "Waiting" : undefined;
}

/** At the end of what a runtime calls an image: `docker.io/library/nginx@sha256:…`, or the digest alone for one that nobody pulled. */
function digestOf(imageId: string | undefined): string | undefined {
  return /(?:^|@)(sha(?:256|384|512):[0-9a-f]{64,128})$/.exec(imageId ?? "")?.[1];
}
