/** The typed clients of all services, over whatever transport there is. What is published is `node.ts` and `browser.ts`, which make one. */
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { AccessService } from "../gen/fairlead/console/v1/access_service_pb.ts";
import { AgentService } from "../gen/fairlead/console/v1/agent_service_pb.ts";
import { AppService } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { AuditService } from "../gen/fairlead/console/v1/audit_service_pb.ts";
import { DoctorService } from "../gen/fairlead/console/v1/doctor_service_pb.ts";
import { InboxService } from "../gen/fairlead/console/v1/inbox_service_pb.ts";
import { KubernetesService } from "../gen/fairlead/console/v1/kubernetes_service_pb.ts";
import { LinkService } from "../gen/fairlead/console/v1/link_service_pb.ts";
import { NotificationService } from "../gen/fairlead/console/v1/notification_service_pb.ts";
import { PeerService } from "../gen/fairlead/console/v1/peer_service_pb.ts";
import { PodService } from "../gen/fairlead/console/v1/pod_service_pb.ts";
import { PolicyService } from "../gen/fairlead/console/v1/policy_service_pb.ts";
import { SignInService } from "../gen/fairlead/console/v1/sign_in_service_pb.ts";
import { TunnelService } from "../gen/fairlead/console/v1/tunnel_service_pb.ts";
import { WatchService } from "../gen/fairlead/console/v1/watch_service_pb.ts";
import { withToken } from "./token.ts";

/** One typed client a service; each method takes an optional `{ signal, timeoutMs }` and rejects with a `ConnectError`. */
export interface FairleadClient {
  readonly agent: Client<typeof AgentService>;
  readonly peers: Client<typeof PeerService>;
  readonly links: Client<typeof LinkService>;
  readonly kubernetes: Client<typeof KubernetesService>;
  readonly tunnels: Client<typeof TunnelService>;
  readonly doctor: Client<typeof DoctorService>;
  readonly apps: Client<typeof AppService>;
  readonly pods: Client<typeof PodService>;
  readonly policies: Client<typeof PolicyService>;
  readonly inbox: Client<typeof InboxService>;
  readonly audit: Client<typeof AuditService>;
  readonly access: Client<typeof AccessService>;
  /** For pages of the console's own, in a browser. */
  readonly signIn: Client<typeof SignInService>;
  readonly notifications: Client<typeof NotificationService>;
  readonly watch: Client<typeof WatchService>;
}

/** How the agent is reached, if not by an address. */
export interface FairleadClientOptions {
  /** From `@connectrpc/connect-node` or `@connectrpc/connect-web`, with the console's address as `baseUrl`. */
  readonly transport: Transport;
  /** An API token, sent as a bearer token with every call; none where the transport brings its own credentials. */
  readonly token?: string;
}

/** Makes the client. Nothing is sent before the first call. */
export function createFairleadClient(options: FairleadClientOptions): FairleadClient {
  const transport = options.token === undefined ? options.transport : withToken(options.transport, options.token);
  return {
    agent: createClient(AgentService, transport),
    peers: createClient(PeerService, transport),
    links: createClient(LinkService, transport),
    kubernetes: createClient(KubernetesService, transport),
    tunnels: createClient(TunnelService, transport),
    doctor: createClient(DoctorService, transport),
    apps: createClient(AppService, transport),
    pods: createClient(PodService, transport),
    policies: createClient(PolicyService, transport),
    inbox: createClient(InboxService, transport),
    audit: createClient(AuditService, transport),
    access: createClient(AccessService, transport),
    signIn: createClient(SignInService, transport),
    notifications: createClient(NotificationService, transport),
    watch: createClient(WatchService, transport),
  };
}
