/** Which runs of a pod's containers have a log to read, and why one has none. Pure. */
import type { Pod } from "../kube/resources.ts";

/** Which containers of each pod are meant. */
export interface LoggedContainers {
  /** Empty: the app's own, which is the first. */
  readonly container: string;
  /** Each, those that run before the others too. */
  readonly allContainers: boolean;
}

export type ContainerLog = { readonly container: string } & (
  | {
      readonly readable: true;
      /** Differs for each run of the container in each pod. */
      readonly run: string;
      /** The run is over: its log will not grow. */
      readonly ended: boolean;
    }
  | { readonly readable: false; readonly message: string }
);

/** In the order in which they start; none for a container that the pod does not have. */
export function containerLogs(pod: Pod, { container, allContainers }: LoggedContainers): ContainerLog[] {
  const wanted = container || (pod.spec?.containers[0]?.name ?? "");
  return containerNames(pod)
    .filter((name) => allContainers || name === wanted)
    .map((name) => containerLog(pod, name));
}

export function containerNames({ spec }: Pod): string[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(({ name }) => name);
}

function containerLog(pod: Pod, container: string): ContainerLog {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const status = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container);
  const run = `${pod.metadata.uid}/${container}/${status?.restartCount ?? 0}`;
  if (status?.state?.running) return { container, readable: true, run, ended: false };
  // While it waits to be started again the log is still that of the run before.
  if (status?.state?.terminated || status?.lastState?.terminated) {
    return { container, readable: true, run, ended: true };
  }
  return { container, readable: false, message: whyWaiting(pod, status?.state?.waiting) };
}

function whyWaiting(pod: Pod, waiting: { reason?: string; message?: string } | undefined): string {
  if (waiting) return sentence(waiting.reason, waiting.message);
  const unscheduled = pod.status?.conditions?.find(({ type, status: is }) => type === "PodScheduled" && is === "False");
  if (unscheduled) return sentence(unscheduled.reason, unscheduled.message);
  return sentence(pod.status?.reason ?? pod.status?.phase, pod.status?.message);
}

function sentence(reason = "Waiting", message = ""): string {
  return message === "" ? reason : `${reason}: ${message}`;
}
