/** Every service of the console API, in one place. */

import type { ConnectRouter } from "@connectrpc/connect";
import { AgentService } from "../../gen/fairlead/console/v1/agent_service_pb.ts";
import { AppService } from "../../gen/fairlead/console/v1/app_service_pb.ts";
import { PeerService } from "../../gen/fairlead/console/v1/peer_service_pb.ts";
import { PodService } from "../../gen/fairlead/console/v1/pod_service_pb.ts";
import { WatchService } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { type AgentServiceDeps, createAgentService } from "./agent-service.ts";
import { type AppServiceDeps, createAppService } from "./app-service.ts";
import { translateErrors } from "./errors.ts";
import { createPeerService, type PeerServiceDeps } from "./peer-service.ts";
import { createPodService, type PodServiceDeps } from "./pod-service.ts";
import { createWatchService, type WatchServiceDeps } from "./watch-service.ts";

export interface ApiDeps {
  readonly agent: AgentServiceDeps;
  readonly apps: AppServiceDeps;
  readonly peers: PeerServiceDeps;
  readonly pods: PodServiceDeps;
  readonly watch: WatchServiceDeps;
}

/** What the console server serves. Authentication and validation stand in front of it. */
export function createApi(deps: ApiDeps): (router: ConnectRouter) => void {
  const options = { interceptors: [translateErrors] };
  return (router) => {
    router.service(AgentService, createAgentService(deps.agent), options);
    router.service(AppService, createAppService(deps.apps), options);
    router.service(PeerService, createPeerService(deps.peers), options);
    router.service(PodService, createPodService(deps.pods), options);
    router.service(WatchService, createWatchService(deps.watch), options);
  };
}
