/** The sandbox's scheduler and kubelet in one: brings each pod to what it should be, and says how it is. */
import {
  builtin,
  type Controller,
  type ControllerDeps,
  keyOf,
  splitKey,
  startController,
} from "../controllers/controller.ts";
import { isPod, type Pod, withCondition } from "../controllers/shapes.ts";
import { at } from "../json.ts";
import { timestamp } from "../object.ts";
import { type Resource, storeKey } from "../resource.ts";
import { RunningContainer } from "./container.ts";
import { podStatus } from "./pod-status.ts";
import { type Capacity, whyUnschedulable } from "./scheduling.ts";

const manager = { manager: "kubelet" };
const nodeName = "sandbox";

interface RunningPod {
  uid: string;
  containers: RunningContainer[];
  stopping: boolean;
}

export interface KubeletOptions {
  processes: boolean;
  capacity: Capacity;
  crashBackoffMs: number;
}

export interface Kubelet extends Controller {
  /** A container of a pod that has been started here. */
  container(podUid: string, name: string): RunningContainer | undefined;
  localPort(podUid: string, containerPort: number): number | undefined;
}

export function startKubelet(deps: ControllerDeps, o: KubeletOptions): Kubelet {
  const { registry, clock } = deps;
  const { store } = registry;
  const pods = builtin(registry, "", "pods");
  const running = new Map<string, RunningPod>();
  const waiting = new Set<string>();

  const controller = startController(deps, {
    name: "kubelet",
    watched: [{ resource: pods, keysOf: (object) => [keyOf(object)] }],
    reconcile: async (key) => sync(key),
  });
  // A pod that goes away makes room for those that wait for it.
  const unsubscribe = store.subscribe(storeKey(pods), ({ type }) => {
    if (type !== "DELETED") return;
    for (const key of waiting) controller.add(key);
  });

  function sync(key: string): void {
    const { namespace, name } = splitKey(key);
    const found = store.get(storeKey(pods), namespace, name);
    const pod = found && isPod(found) ? found : undefined;
    const run = running.get(key);
    if (run && run.uid !== pod?.metadata.uid) {
      for (const container of run.containers) container.stop(0);
      running.delete(key);
    }
    if (!pod) {
      waiting.delete(key);
      return;
    }
    if (pod.metadata.deletionTimestamp) terminate(key, pod);
    else if (!pod.spec.nodeName) schedule(key, pod);
    else if (!running.has(key)) start(key, pod);
    else report(key, pod);
  }

  function schedule(key: string, pod: Pod): void {
    const scheduled = store
      .list(storeKey(pods))
      .filter(isPod)
      .filter((other) => other.spec.nodeName !== undefined);
    const why = whyUnschedulable(pod, scheduled, o.capacity);
    if (why) {
      waiting.add(key);
      const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: why };
      const conditions = withCondition(pod.status?.conditions ?? [], condition, timestamp(clock.now()));
      writeStatus(pod, { ...pod.status, conditions });
      if (pod.status?.conditions?.every(({ type }) => type !== "PodScheduled") ?? true) {
        deps.events.write(pod, "Warning", "FailedScheduling", why, "default-scheduler");
      }
      return;
    }
    waiting.delete(key);
    const { namespace = "", name } = pod.metadata;
    registry.update(pods, namespace, name, (live) => ({ ...live, spec: { ...pod.spec, nodeName } }), {
      manager: "default-scheduler",
    });
    const message = `Successfully assigned ${namespace}/${name} to ${nodeName}`;
    deps.events.write(pod, "Normal", "Scheduled", message, "default-scheduler");
  }

  function start(key: string, pod: Pod): void {
    const { phase } = pod.status ?? {};
    if (phase === "Succeeded" || phase === "Failed") return;
    const { namespace = "", name, uid } = pod.metadata;
    const containers = pod.spec.containers.map(
      (spec) =>
        new RunningContainer(spec, {
          clock,
          processes: o.processes,
          crashBackoffMs: o.crashBackoffMs,
          env: { HOSTNAME: name, POD_NAME: name, POD_NAMESPACE: namespace },
          pod: `${name}_${namespace}(${uid})`,
          restartPolicy: pod.spec.restartPolicy ?? "Always",
          changed: () => controller.add(key),
          event: (type, reason, message) => deps.events.write(pod, type, reason, message, "kubelet"),
        }),
    );
    running.set(key, { uid, containers, stopping: false });
    for (const container of containers) container.start();
    report(key, pod);
  }

  function report(key: string, pod: Pod): void {
    const run = running.get(key);
    if (!run) return;
    const statuses = run.containers.map((container) => container.status());
    writeStatus(pod, podStatus(pod, statuses, timestamp(clock.now())));
  }

  function terminate(key: string, pod: Pod): void {
    const run = running.get(key);
    waiting.delete(key);
    if (!run) {
      registry.finish(pods, pod);
      return;
    }
    const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
    if (!run.stopping) {
      for (const { spec } of run.containers)
        deps.events.write(pod, "Normal", "Killing", `Stopping container ${spec.name}`, "kubelet");
    }
    if (!run.stopping || graceMs === 0) for (const container of run.containers) container.stop(graceMs);
    run.stopping = true;
    if (!run.containers.every((container) => container.ended)) return;
    running.delete(key);
    registry.finish(pods, pod);
  }

  function writeStatus(pod: Pod, status: unknown): void {
    writePodStatus(deps, pods, pod, status);
  }

  return {
    add: controller.add,
    container: (uid, name) => byUid(uid)?.containers.find((container) => container.spec.name === name),
    localPort: (uid, port) =>
      byUid(uid)
        ?.containers.map((container) => container.localPort(port))
        .find((local) => local !== undefined),
    async close() {
      unsubscribe();
      await controller.close();
      for (const { containers } of running.values()) for (const container of containers) container.stop(0);
      running.clear();
    },
  };

  function byUid(uid: string): RunningPod | undefined {
    for (const run of running.values()) if (run.uid === uid) return run;
    return undefined;
  }
}

function writePodStatus(deps: ControllerDeps, pods: Resource, pod: Pod, status: unknown): void {
  const { namespace, name, uid } = pod.metadata;
  deps.registry.update(
    pods,
    namespace,
    name,
    (live) => (at(live, "metadata", "uid") === uid ? { ...live, status } : live),
    { ...manager, subresource: "status" },
  );
}
