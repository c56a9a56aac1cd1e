/** An agent whose API is the real one over rooms that a test moves: no cluster, no link, no waiting. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { parseDocuments } from "../../src/base/document.ts";
import type { Connection } from "../../src/cli/context.ts";
import { createFairleadClient } from "../../src/client/index.ts";
import { translateErrors } from "../../src/console/api/errors.ts";
import type { HeldApp, HeldTunnel } from "../../src/console/api/inbox-item.ts";
import { createInboxService, type InboxServiceDeps, type Ruling } from "../../src/console/api/inbox-service.ts";
import { createPolicyService, type ExplainedPeer } from "../../src/console/api/policy-service.ts";
import { AgentService } from "../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { AuditService } from "../../src/gen/fairlead/console/v1/audit_service_pb.ts";
import { InboxService } from "../../src/gen/fairlead/console/v1/inbox_service_pb.ts";
import { PeerService } from "../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import { PolicyService } from "../../src/gen/fairlead/console/v1/policy_service_pb.ts";
import { TunnelService } from "../../src/gen/fairlead/console/v1/tunnel_service_pb.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { isJsonObject } from "../../src/kube/object.ts";
import { type PeerPolicy, peerPolicies } from "../../src/kube/resources.ts";
import { effectivePolicy } from "../../src/policy/effective.ts";
import { hashSpec } from "../../src/policy/spec-hash.ts";
import { HostError } from "../../src/workloads/host/error.ts";
import { testListing } from "../console/api/test-listing.ts";
import { calledBy, person } from "../console/people.ts";
import { type Ran, type RunOptions, run } from "./world.ts";

export interface Offices {
  peers: ExplainedPeer[];
  policies: PeerPolicy[];
  readonly inbox: FakeInbox;
  /** Services whose answers the test gives; the rest of their methods are not implemented. */
  apps: Partial<ServiceImpl<typeof AppService>>;
  peerService: Partial<ServiceImpl<typeof PeerService>>;
  audit: Partial<ServiceImpl<typeof AuditService>>;
  tunnels: Partial<ServiceImpl<typeof TunnelService>>;
  connection(): Connection;
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
}

export function openOffices(): Offices {
  const inbox = new FakeInbox();
  const offices: Offices = {
    peers: [],
    policies: [],
    inbox,
    apps: {},
    peerService: {},
    audit: {},
    tunnels: {},
    connection,
    run: (args, options) => run(undefined, args, { connect: async () => connection(), ...options }),
  };

  function connection(): Connection {
    const transport = createRouterTransport(
      (router) => {
        router.service(AgentService, { getInfo: () => ({ namespace: "fairlead-system" }) });
        router.service(AppService, offices.apps);
        router.service(PeerService, offices.peerService);
        router.service(AuditService, offices.audit);
        router.service(TunnelService, offices.tunnels);
        router.service(InboxService, createInboxService(inbox, testListing));
        router.service(
          PolicyService,
          createPolicyService(
            {
              changes: {
                async get(name) {
                  const found = offices.policies.find((policy) => policy.metadata.name === name);
                  if (found) return found;
                  throw new ConnectError(`there is no PeerPolicy ${name}; see: fairlead policy list`, Code.NotFound);
                },
                apply: () => Promise.reject(new Error("nobody writes policies here")),
                delete: () => Promise.reject(new Error("nobody writes policies here")),
              },
              hasImageDoor: () => false,
              now: () => 0,
              policies: () => offices.policies,
              peer: (name) => offices.peers.find((peer) => peer.name === name),
              effective: (peer) => effectivePolicy(offices.policies, peer),
            },
            testListing,
          ),
        );
      },
      { router: { interceptors: [calledBy(person("ada")), translateErrors] } },
    );
    return {
      client: createFairleadClient({ transport }),
      namespace: "default",
      address: "here",
      openSession: () => Promise.reject(new Error("nobody streams here")),
      close() {},
    };
  }
  return offices;
}

/** PeerPolicies as the agent reads them. */
export function readPolicies(yaml: string): PeerPolicy[] {
  return parseDocuments(yaml).map(({ value }) => {
    if (!isJsonObject(value)) throw new Error("a policy is a map");
    return peerPolicies.parse(value);
  });
}

export function spec(given: Partial<Pick<RemoteAppSpec, "image" | "replicas" | "args">> = {}): RemoteAppSpec {
  return create(RemoteAppSpecSchema, { image: "nginx:1.27", replicas: 1, ...given });
}

/** What waits, without a cluster: decides by the hash, as the host does. */
export class FakeInbox implements InboxServiceDeps {
  items: HeldApp[] = [];
  tunnelItems: HeldTunnel[] = [];
  /** Every ruling that was taken, with what it was about. */
  readonly rulings: (Ruling & { readonly name: string })[] = [];

  /** An app that waits. */
  hold(name: string, app: RemoteAppSpec, more: Partial<HeldApp> = {}): void {
    const [peer = ""] = name.split("/");
    this.items = this.items.filter((item) => item.name !== name);
    this.items.push({
      name,
      peer,
      origin: { namespace: "shop", name: "web" },
      since: "2026-01-02T03:04:05Z",
      state: "Held",
      findings: [
        { rule: "approval/new-image", field: "image", message: "nginx:1.27 is new here", asked: "nginx:1.27" },
      ],
      hash: hashSpec(app),
      app,
      ...more,
    });
  }

  readonly apps: InboxServiceDeps["apps"] = {
    held: () => this.items,
    heldItem: (name) => this.items.find((item) => item.name === name),
    decide: async (name, { hash, ...ruling }) => {
      const item = this.items.find((one) => one.name === name);
      if (!item) throw new HostError("not-found", `nothing called ${name} waits here`);
      if (item.hash !== hash) throw new HostError("changed", `${name} was changed after it was shown`);
      this.rulings.push({ ...ruling, name });
      return { ...item, state: ruling.verdict, decision: decisionOf(ruling) };
    },
  };

  readonly tunnels: InboxServiceDeps["tunnels"] = {
    pending: () => this.tunnelItems,
    decide: async (peer, target, { fingerprint: _, ...ruling }) => {
      const item = this.tunnelItems.find((one) => one.peer === peer && one.target === target);
      if (!item) throw new HostError("not-found", `${peer} does not ask for ${target}`);
      this.rulings.push({ ...ruling, name: `${peer}/${target}` });
      return { ...item, state: ruling.verdict, decision: decisionOf(ruling) };
    },
  };
}

function decisionOf({ by, message, lastsMs }: Ruling): NonNullable<HeldApp["decision"]> {
  const at = "2026-01-02T03:05:00Z";
  if (lastsMs === undefined) return { by, at, message };
  return { by, at, message, until: new Date(Date.parse(at) + lastsMs).toISOString() };
}
