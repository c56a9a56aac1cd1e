/** The sandbox's one node, which is this machine in name only: it says what pods may ask for, and its labels. */
import { timestamp } from "../object.ts";
import type { Capacity } from "../pods/scheduling.ts";
import type { Registry } from "../registry/registry.ts";
import { builtin } from "./controller.ts";

export const nodeName = "sandbox";

/** Puts the node there, and answers all labels that it has. */
export function createNode(
  registry: Registry,
  nowMs: number,
  capacity: Capacity,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const nodes = builtin(registry, "", "nodes");
  const manager = { manager: "kubelet" };
  const labels = {
    "kubernetes.io/arch": "amd64",
    "kubernetes.io/hostname": nodeName,
    "kubernetes.io/os": "linux",
    ...given,
  };
  registry.create(nodes, undefined, { metadata: { name: nodeName, labels }, spec: {} }, manager);
  const has = { cpu: String(capacity.cpu), memory: String(capacity.memory), pods: String(capacity.pods) };
  const now = timestamp(nowMs);
  const condition = (type: string, status: string, reason: string, message: string): object => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  const status = {
    capacity: has,
    allocatable: has,
    addresses: [
      { type: "InternalIP", address: "127.0.0.1" },
      { type: "Hostname", address: nodeName },
    ],
    conditions: [
      condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
      condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
      condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
      condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ],
    nodeInfo: {
      architecture: "amd64",
      bootID: "",
      containerRuntimeVersion: "sandbox://1",
      kernelVersion: "",
      kubeProxyVersion: "",
      kubeletVersion: "v1.34.0+fairlead-sandbox",
      machineID: "",
      operatingSystem: "linux",
      osImage: "Fairlead's sandbox",
      systemUUID: "",
    },
  };
  registry.update(nodes, undefined, nodeName, (live) => ({ ...live, status }), { ...manager, subresource: "status" });
  return labels;
}
