/** Which run of a pod's container has a log to read, and why none has. Pure. */
import type { Pod } from "../kube/resources.ts";

export type ContainerLog =
  | {
      readonly readable: true;
      readonly container: string;
      /** Differs for each run of the container in each pod. */
      readonly run: string;
      /** The run is over: its log will not grow. */
      readonly ended: boolean;
    }
  | { readonly readable: false; readonly message: string };

/** About the first container, which is the app's. */
export function containerLog(pod: Pod): ContainerLog {
  const container = pod.spec?.containers[0]?.name ?? "";
  const status = pod.status?.containerStatuses?.find(({ name }) => name === container);
  const run = `${pod.metadata.uid}/${status?.restartCount ?? 0}`;
  if (status?.state?.running) return { readable: true, container, run, ended: false };
  // While it waits to be started again the log is still that of the run before.
  if (status?.state?.terminated || status?.lastState?.terminated)
    return { readable: true, container, run, ended: true };
  const waiting = status?.state?.waiting;
  if (waiting) return { readable: false, message: sentence(waiting.reason, waiting.message) };
  const unscheduled = pod.status?.conditions?.find(({ type, status: is }) => type === "PodScheduled" && is === "False");
  if (unscheduled) return { readable: false, message: sentence(unscheduled.reason, unscheduled.message) };
  return { readable: false, message: sentence(pod.status?.reason ?? pod.status?.phase, pod.status?.message) };
}

function sentence(reason = "Waiting", message = ""): string {
  return message === "" ? reason : `${reason}: ${message}`;
}
