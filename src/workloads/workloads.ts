/**
 * Apps across the link, both ends of them: RemoteApps here that run at peers (`origin/`), and Workloads that peers run here
 * (`host/`). The two halves know nothing of each other.
 */
import type { ConnectRouter } from "@connectrpc/connect";
import { IntentService, LeaseService } from "../gen/fairlead/peer/v1/intent_pb.ts";
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

/** What a peer may send in one message: a wish is the longest, with 2 MiB of attachments and 1 MiB of spec at most. Bytes. */
const largestRequestBytes = 4 * 1024 * 1024;

export function createWorkloads(deps: WorkloadsDeps): Workloads {
  const host = createHost(deps.host);
  const origin = createOrigin(deps.origin);
  return {
    origin,
    host,
    routes(router) {
      router.service(IntentService, host.intent, { readMaxBytes: largestRequestBytes });
      router.service(LeaseService, origin.leases, { readMaxBytes: largestRequestBytes });
      router.service(WorkloadService, host.service, { readMaxBytes: largestRequestBytes });
    },
    async close() {
      await Promise.all([origin.close(), host.close()]);
    },
  };
}
