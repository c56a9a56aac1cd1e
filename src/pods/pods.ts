/** Pods across the link, both ends: what peers may do with theirs here, and what is done with ours there. */
import type { ConnectRouter, Transport } from "@connectrpc/connect";
import { PodService } from "../gen/fairlead/peer/v1/pods_pb.ts";
import type { KubeClient } from "../kube/client.ts";
import { createReflector } from "../kube/reflector.ts";
import { pods } from "../kube/resources.ts";
import type { PeeringAudit } from "../peering/audit-entry.ts";
import { createStreamRecord } from "../peering/stream-record.ts";
import { createExec } from "./exec-service.ts";
import { createFiles } from "./files-service.ts";
import { followLogs, type LogEvent, type LogRequest } from "./follow-logs.ts";
import { createLogs, type LogsServiceDeps } from "./logs-service.ts";
import type { StartProgramDeps } from "./start-program.ts";
import { readFiles, runProgram, type UsePodDeps, writeFiles } from "./use-pod.ts";
import { PodUses, type PodUsesDeps } from "./uses.ts";

export interface PodsDeps
  extends Omit<LogsServiceDeps, "watchPods" | "uses">,
    Pick<PodUsesDeps, "permit">,
    Pick<StartProgramDeps, "exec"> {
  client: Pick<KubeClient, "list" | "watch">;
  /** RPC to a peer, as the switchboard gives it. */
  transport(peer: string): Transport;
  audit: PeeringAudit;
}

/** One of the functions of `use-pod.ts` for apps at a peer that is named in place of its `deps`. */
type AtPeer<F> = F extends (deps: UsePodDeps, ...rest: infer R) => infer A ? (peer: string, ...rest: R) => A : never;

export interface Pods extends Pick<PodUses, "review"> {
  /** Adds what peers may call here. */
  routes(router: ConnectRouter): void;
  /** The log of an app of ours at a peer. Throws a ConnectError. */
  followLogs(
    peer: string,
    app: { namespace: string; name: string },
    request: LogRequest,
    signal: AbortSignal,
  ): AsyncIterable<LogEvent>;
  readonly runProgram: AtPeer<typeof runProgram>;
  readonly readFiles: AtPeer<typeof readFiles>;
  readonly writeFiles: AtPeer<typeof writeFiles>;
  /** Writes down what the record has only counted so far. */
  close(): void;
}

export function createPods(deps: PodsDeps): Pods {
  const { client, clock, log, audit } = deps;
  // Of each end its own, so that what peers do here takes no room from what is done there.
  const hosted = createStreamRecord({ audit, clock });
  const asked = createStreamRecord({ audit, clock });
  const uses = new PodUses({ ...deps, record: hosted });
  const logs = createLogs({
    ...deps,
    uses,
    watchPods: (scope) => createReflector({ client, kind: pods, ...scope, clock, log }),
  });
  const service = { logs, exec: createExec({ ...deps, uses }), ...createFiles({ ...deps, uses }) };
  const to = (peer: string): UsePodDeps => ({ transport: deps.transport(peer), record: asked, peer });
  return {
    routes: (router) => void router.service(PodService, service),
    review: (stillKnown, fingerprint) => uses.review(stillKnown, fingerprint),
    followLogs: (peer, app, request, signal) => followLogs(to(peer), app, request, signal),
    runProgram: (peer, by, requests, signal) => runProgram(to(peer), by, requests, signal),
    readFiles: (peer, by, request, signal) => readFiles(to(peer), by, request, signal),
    writeFiles: (peer, by, requests, signal) => writeFiles(to(peer), by, requests, signal),
    close() {
      hosted.close();
      asked.close();
    },
  };
}
