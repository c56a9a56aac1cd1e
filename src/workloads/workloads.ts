/**
 * Apps across the link, both ends of them: RemoteApps here that run at peers (`origin/`), and Workloads that peers run here
 * (`host/`). The two halves know nothing of each other.
 */
import type { ConnectRouter } from "@connectrpc/connect";
import { IntentService } from "../gen/fairlead/peer/v1/intent_pb.ts";
import { WorkloadService } from "../gen/fairlead/peer/v1/workload_pb.ts";
import { createHost, type HostDeps, type WorkloadHost } from "./host/host.ts";
import { createOrigin, type OriginDeps, type WorkloadOrigin } from "./origin/origin.ts";

export interface WorkloadsDeps {
  readonly origin: OriginDeps;
  readonly host: HostDeps;
}

export interface Workloads {
  readonly origin: WorkloadOrigin;
  readonly host: WorkloadHost;
  /** Adds what peers may call here. */
  routes(router: ConnectRouter): void;
  /** Stops both halves; nothing that runs anywhere is changed by that. */
  close(): Promise<void>;
}

export function createWorkloads(deps: WorkloadsDeps): Workloads {
  const host = createHost(deps.host);
  const origin = createOrigin(deps.origin);
  return {
    origin,
    host,
    routes(router) {
      router.service(IntentService, host.intent);
      router.service(WorkloadService, host.service);
    },
    async close() {
      await Promise.all([origin.close(), host.close()]);
    },
  };
}
