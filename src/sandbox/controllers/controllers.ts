/** Starts all controllers of the sandbox, and stops them in the reverse order. */
import { type Kubelet, type KubeletOptions, startKubelet } from "../pods/kubelet.ts";
import type { ControllerDeps } from "./controller.ts";
import { startDeploymentController } from "./deployments.ts";
import { startEndpointsController } from "./endpoints.ts";
import { startEventExpiry } from "./event-expiry.ts";
import { startGarbageCollector } from "./garbage.ts";
import { startNamespaceController } from "./namespaces.ts";
import { startReplicaSetController } from "./replica-sets.ts";

export interface Controllers {
  readonly kubelet: Kubelet;
  close(): Promise<void>;
}

/** To be called before anything is stored: the garbage collector knows only what it has seen arrive. */
export function startControllers(deps: ControllerDeps, o: KubeletOptions & { caPem: string }): Controllers {
  const kubelet = startKubelet(deps, o);
  const running = [
    startGarbageCollector(deps),
    startNamespaceController(deps, o.caPem),
    startEventExpiry(deps),
    startDeploymentController(deps),
    startReplicaSetController(deps),
    startEndpointsController(deps, kubelet.localPort),
    kubelet,
  ];
  return {
    kubelet,
    async close() {
      for (const controller of running.reverse()) await controller.close();
    },
  };
}
