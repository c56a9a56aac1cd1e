/** Starts all controllers of the sandbox, and stops them in the reverse order. */
import { type Kubelet, type KubeletOptions, startKubelet } from "../pods/kubelet.ts";
import { startClaimController } from "./claims.ts";
import type { ControllerDeps } from "./controller.ts";
import { startCronJobController } from "./cron-jobs.ts";
import { startDeploymentController } from "./deployments.ts";
import { startEndpointsController } from "./endpoints.ts";
import { startEventExpiry } from "./event-expiry.ts";
import { startGarbageCollector } from "./garbage.ts";
import { startJobController } from "./jobs.ts";
import { startNamespaceController } from "./namespaces.ts";
import { startReplicaSetController } from "./replica-sets.ts";
import { startStatefulSetController } from "./stateful-sets.ts";

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
    startStatefulSetController(deps),
    startJobController(deps, { backoffMs: o.crashBackoffMs }),
    startCronJobController(deps),
    startClaimController(deps, o.storage),
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
