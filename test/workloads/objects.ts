/** Objects for tests of the pure parts, as an API server would give them. */
import { createSecretKey } from "node:crypto";
import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";
import {
  type Deployment,
  type Pod,
  type RemoteApp,
  remoteApps,
  type Workload,
  workloads,
} from "../../src/kube/resources.ts";
import { createContentHash } from "../../src/workloads/content-hash.ts";
import { createWords } from "../../src/workloads/origin/wishes.ts";

/** What is to be said of an app that refers to nothing else. */
export const wordOf = createWords({
  find: () => ({ is: "unknown" }),
  hashContent: createContentHash(createSecretKey(Buffer.alloc(32, 1))),
  agentNamespace: "fairlead-system",
});

export function workload(app: JsonObject = {}, metadata: JsonObject = {}): Workload {
  const origin = {
    fingerprint: "ab".repeat(32),
    peer: "tokyo",
    namespace: "shop",
    name: "web",
    uid: "u-1",
    generation: 1,
  };
  return workloads.parse({
    metadata: { name: "web-0123456789", namespace: "fairlead-peer-tokyo", uid: "w-1", generation: 1, ...metadata },
    spec: { origin, app: { image: "web:1", replicas: 2, ...app } },
  });
}

export function remoteApp(spec: JsonObject = {}, metadata: JsonObject = {}): RemoteApp {
  return remoteApps.parse({
    metadata: { name: "web", namespace: "shop", uid: "u-1", generation: 1, ...metadata },
    spec: { peer: "osaka", image: "web:1", replicas: 2, ...spec },
  });
}

export function deployment(status: Deployment["status"] = {}, generation = 1): Deployment {
  return { metadata: { name: "web-0123456789", generation }, status: { observedGeneration: generation, ...status } };
}

/** A pod with one container; `state` and `lastState` as its kubelet would say. */
export function pod(
  name: string,
  o: {
    ready?: boolean;
    template?: string;
    restartCount?: number;
    state?: JsonObject;
    lastState?: JsonObject;
    conditions?: JsonObject[];
    more?: JsonObject;
  } = {},
): Pod {
  const { ready = false, template = "now", restartCount = 0, state, lastState } = o;
  const container = state && { name: "app", ready, restartCount, state, ...(lastState ? { lastState } : {}) };
  const object: JsonObject = {
    metadata: { name, uid: `uid-${name}`, annotations: { "fairlead.dev/template": template } },
    status: {
      phase: "Running",
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }, ...(o.conditions ?? [])],
      ...(container ? { containerStatuses: [container] } : {}),
      ...o.more,
    },
  };
  return asPod(object);
}

function asPod(object: JsonObject): Pod {
  const parsed: Pod = JSON.parse(JSON.stringify(object));
  if (!isJsonObject(object.metadata)) throw new Error("A pod has metadata.");
  return parsed;
}
