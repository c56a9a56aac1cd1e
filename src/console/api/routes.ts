/** Every service of the console API, in one place. */
import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { AccessService } from "../../gen/fairlead/console/v1/access_service_pb.ts";
import { AgentService } from "../../gen/fairlead/console/v1/agent_service_pb.ts";
import { AppService } from "../../gen/fairlead/console/v1/app_service_pb.ts";
import { AuditService } from "../../gen/fairlead/console/v1/audit_service_pb.ts";
import { DoctorService } from "../../gen/fairlead/console/v1/doctor_service_pb.ts";
import { InboxService } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import { KubernetesService } from "../../gen/fairlead/console/v1/kubernetes_service_pb.ts";
import { LinkService } from "../../gen/fairlead/console/v1/link_service_pb.ts";
import { NotificationService } from "../../gen/fairlead/console/v1/notification_service_pb.ts";
import { PeerService } from "../../gen/fairlead/console/v1/peer_service_pb.ts";
import { PodService } from "../../gen/fairlead/console/v1/pod_service_pb.ts";
import { PolicyService } from "../../gen/fairlead/console/v1/policy_service_pb.ts";
import { SignInService } from "../../gen/fairlead/console/v1/sign_in_service_pb.ts";
import { TunnelService } from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import { WatchService } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { type AccessServiceDeps, createAccessService } from "./access-service.ts";
import { type AgentServiceDeps, createAgentService } from "./agent-service.ts";
import { type AppServiceDeps, createAppService } from "./app-service.ts";
import { type AuditServiceDeps, createAuditService } from "./audit-service.ts";
import { createDoctorService, type DoctorServiceDeps } from "./doctor-service.ts";
import { createInboxService, type InboxServiceDeps } from "./inbox-service.ts";
import { createKubernetesService, type KubernetesServiceDeps } from "./kubernetes-service.ts";
import { createLinkService, type LinkServiceDeps } from "./link-service.ts";
import type { Listing } from "./listing.ts";
import { createNotificationService, type NotificationServiceDeps } from "./notification-service.ts";
import { createPeerService, type PeerServiceDeps } from "./peer-service.ts";
import { createPodService, type PodServiceDeps } from "./pod-service.ts";
import { createPolicyService, type PolicyServiceDeps } from "./policy-service.ts";
import { createSignInService, type SignInServiceDeps } from "./sign-in-service.ts";
import { createTunnelService, type TunnelServiceDeps } from "./tunnel-service.ts";
import { createWatchService, type WatchServiceDeps } from "./watch-service.ts";

export interface ApiDeps {
  readonly agent: AgentServiceDeps;
  readonly apps: AppServiceDeps;
  readonly peers: PeerServiceDeps;
  readonly links: LinkServiceDeps;
  readonly kubernetes: KubernetesServiceDeps;
  readonly tunnels: TunnelServiceDeps;
  readonly doctor: DoctorServiceDeps;
  readonly pods: PodServiceDeps;
  readonly policies: PolicyServiceDeps;
  readonly inbox: InboxServiceDeps;
  readonly audit: AuditServiceDeps;
  readonly signIn: SignInServiceDeps;
  readonly notifications: NotificationServiceDeps;
  readonly watch: WatchServiceDeps;
  readonly access: AccessServiceDeps;
  /** How every list is selected, put in order and cut into pages. */
  readonly listing: Listing;
}

/**
 * What the console server serves. Authentication, validation and `translateErrors` stand in front of it as interceptors of
 * the server. No options are given here: a service's own interceptors would replace those, not add to them.
 */
export function createApi(deps: ApiDeps): (router: ConnectRouter) => void {
  return (router) => {
    router.service(AgentService, createAgentService(deps.agent, deps.listing));
    router.service(AppService, createAppService(deps.apps, deps.listing));
    router.service(PeerService, createPeerService(deps.peers, deps.listing));
    router.service(DoctorService, createDoctorService(deps.doctor));
    router.service(KubernetesService, createKubernetesService(deps.kubernetes));
    router.service(LinkService, createLinkService(deps.links));
    router.service(TunnelService, createTunnelService(deps.tunnels, deps.listing));
    router.service(PodService, createPodService(deps.pods));
    router.service(PolicyService, createPolicyService(deps.policies, deps.listing));
    router.service(InboxService, createInboxService(deps.inbox, deps.listing));
    router.service(AuditService, createAuditService(deps.audit, deps.listing));
    router.service(SignInService, createSignInService(deps.signIn));
    const services = (): DescService[] => [...new Set(router.handlers.map(({ service }) => service))];
    router.service(AccessService, createAccessService(deps.access, deps.listing, services));
    router.service(NotificationService, createNotificationService(deps.notifications, deps.listing));
    router.service(WatchService, createWatchService(deps.watch));
  };
}
