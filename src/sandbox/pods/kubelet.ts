/** The sandbox's scheduler and kubelet in one: brings each pod to what it should be, and says how it is. */
import { bindClaims } from "../controllers/claims.ts";
import {
  builtin,
  type Controller,
  type ControllerDeps,
  keyOf,
  splitKey,
  startController,
} from "../controllers/controller.ts";
import { nodeName } from "../controllers/node.ts";
import { isPod, type Pod, withCondition } from "../controllers/shapes.ts";
import { at } from "../json.ts";
import { timestamp } from "../object.ts";
import { type Resource, storeKey } from "../resource.ts";
import type { RunningContainer } from "./container.ts";
import { podStatus } from "./pod-status.ts";
import { RunningPod } from "./running-pod.ts";
import { type Capacity, whyUnschedulable } from "./scheduling.ts";
import type { Storage } from "./storage.ts";

const manager = { manager: "kubelet" };

export interface KubeletOptions {
  processes: boolean;
  capacity: Capacity;
  crashBackoffMs: number;
  /** The labels of the node. */
  nodeLabels: Readonly<Record<string, string>>;
  storage: Storage;
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
  const claims = builtin(registry, "", "persistentvolumeclaims");
  const sources = { configmaps: builtin(registry, "", "configmaps"), secrets: builtin(registry, "", "secrets") };
  const running = new Map<string, RunningPod>();
  const byUid = new Map<string, RunningPod>();
  const waiting = new Set<string>();

  const controller = startController(deps, {
    name: "kubelet",
    watched: [{ resource: pods, keysOf: (object) => [keyOf(object)] }],
    reconcile: async (key) => sync(key),
  });
  const retryWaiting = (): void => {
    for (const key of waiting) controller.add(key);
  };
  const unsubscribes = [
    // A pod that goes away makes room for those that wait for it.
    store.subscribe(storeKey(pods), ({ type }) => type === "DELETED" && retryWaiting()),
    store.subscribe(storeKey(claims), ({ type }) => type === "ADDED" && retryWaiting()),
    // What pods read of ConfigMaps and Secrets is brought up to date, and a pod that waits for one goes on.
    ...Object.entries(sources).map(([kind, resource]) =>
      store.subscribe(storeKey(resource), ({ object }) => {
        for (const [key, { usesSource }] of running) {
          if (key.startsWith(`${object.metadata.namespace ?? ""}/`) && usesSource(kind, object.metadata.name))
            controller.add(key);
        }
      }),
    ),
  ];

  function sync(key: string): void {
    const { namespace, name } = splitKey(key);
    const found = store.get(storeKey(pods), namespace, name);
    const pod = found && isPod(found) ? found : undefined;
    const run = running.get(key);
    if (run && run.uid !== pod?.metadata.uid) forget(key, run);
    if (!pod) {
      waiting.delete(key);
      return;
    }
    if (pod.metadata.deletionTimestamp) terminate(key, pod);
    else if (!pod.spec.nodeName) schedule(key, pod);
    else if (!running.has(key)) start(key, pod);
    else advance(key, pod);
  }

  function forget(key: string, run: RunningPod): void {
    run.stop(0);
    running.delete(key);
    byUid.delete(run.uid);
    o.storage.forgetPod(run.uid);
  }

  function schedule(key: string, pod: Pod): void {
    const scheduled = store
      .list(storeKey(pods))
      .filter(isPod)
      .filter((other) => other.spec.nodeName !== undefined);
    const why = whyUnschedulable(pod, scheduled, o.capacity, o.nodeLabels) ?? bindClaims(deps, pod);
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
    const { namespace, uid } = pod.metadata;
    const run = new RunningPod(pod, {
      clock,
      processes: o.processes,
      crashBackoffMs: o.crashBackoffMs,
      capacity: o.capacity,
      storage: o.storage,
      lookup: (kind, name) => store.get(storeKey(sources[kind]), namespace, name),
      claimUid: (name) => store.get(storeKey(claims), namespace, name)?.metadata.uid,
      changed: () => controller.add(key),
      event: (type, reason, message) => deps.events.write(pod, type, reason, message, "kubelet"),
    });
    running.set(key, run);
    byUid.set(uid, run);
    advance(key, pod);
  }

  function advance(key: string, pod: Pod): void {
    const run = running.get(key);
    if (!run) return;
    run.advance();
    writeStatus(pod, podStatus(pod, run.statuses(), timestamp(clock.now())));
  }

  function terminate(key: string, pod: Pod): void {
    const run = running.get(key);
    waiting.delete(key);
    if (!run) {
      registry.finish(pods, pod);
      return;
    }
    const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
    if (!run.isStopping) {
      for (const { spec, running: isRunning } of run.all) {
        if (isRunning) deps.events.write(pod, "Normal", "Killing", `Stopping container ${spec.name}`, "kubelet");
      }
    }
    if (!run.isStopping || graceMs === 0) run.stop(graceMs);
    if (!run.hasEnded) return;
    writeStatus(pod, podStatus(pod, run.statuses(), timestamp(clock.now())));
    forget(key, run);
    registry.finish(pods, pod);
  }

  function writeStatus(pod: Pod, status: unknown): void {
    writePodStatus(deps, pods, pod, status);
  }

  return {
    add: controller.add,
    container: (uid, name) => byUid.get(uid)?.all.find((container) => container.spec.name === name),
    localPort: (uid, port) =>
      byUid
        .get(uid)
        ?.all.map((container) => container.localPort(port))
        .find((local) => local !== undefined),
    async close() {
      for (const unsubscribe of unsubscribes) unsubscribe();
      await controller.close();
      for (const run of running.values()) run.stop(0);
      running.clear();
      byUid.clear();
    },
  };
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
