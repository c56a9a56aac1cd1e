/**
 * An embedded Kubernetes API for trying and testing. It behaves like a real API server for the subset that the agent
 * relies on (`test/contract` holds it to that) and runs a few built-in images as local processes. RBAC, quotas, limit
 * ranges and network policies are stored and not enforced, which a warning says to who writes them; nor are Pod Security
 * levels. It has one node. A container runs its image's own program, or plays a few shell commands (`pods/commands.ts`);
 * volumes are directories, and PersistentVolumes and StorageClasses are not served. Taints, spread, priorities, lifecycle
 * hooks, users, capabilities and limits of containers are stored and have no effect; nor have success and failure
 * policies of Jobs. It listens on loopback only.
 */
import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type ApiRequest, flag, parseTarget, type Target } from "./api/request.ts";
import { route } from "./api/router.ts";
import { startApiServer } from "./api/server.ts";
import { mayDo, type SandboxUser, Users } from "./api/users.ts";
import { selfSignedCertificate } from "./certificate.ts";
import { builtin } from "./controllers/controller.ts";
import { startControllers } from "./controllers/controllers.ts";
import { createEventWriter } from "./controllers/events.ts";
import { createNode } from "./controllers/node.ts";
import { establishedStatus, resourceFromDefinition } from "./crd.ts";
import { isObject } from "./json.ts";
import { builtinResources } from "./kinds.ts";
import { type KubeObject, timestamp } from "./object.ts";
import { podExec } from "./pods/exec.ts";
import { podLog } from "./pods/log-handler.ts";
import { portForward } from "./pods/port-forward.ts";
import { type Capacity, defaultCapacity } from "./pods/scheduling.ts";
import { createStorage } from "./pods/storage.ts";
import { Registry } from "./registry/registry.ts";
import { Catalog, type Resource, storeKey } from "./resource.ts";
import { type Definitions, loadDefinitions } from "./schema/schema.ts";
import { noSuchPath } from "./status-error.ts";
import { Store } from "./store.ts";

export interface SandboxOptions {
  log: Log;
  /** A port of 127.0.0.1; 0, any free one, unless given. */
  port?: number;
  /** Whether pods run processes. Without, every pod becomes Ready by itself, whatever its image. True unless given. */
  processes?: boolean;
  clock?: Clock;
  /** Users beside the administrator. */
  users?: readonly SandboxUser[];
  /** How many changes of each resource are remembered for watches; 1,000 unless given. Older ones are 410 Gone. */
  history?: number;
  /** Pause between the bookmarks of a watch, in milliseconds; 30,000 unless given. */
  bookmarkMs?: number;
  /** What the one node has; 8 cores and 16 GiB unless given. Pods that ask for more are Unschedulable. */
  capacity?: Capacity;
  /** Labels of the one node beside its own, such as its region. */
  nodeLabels?: Readonly<Record<string, string>>;
  /** Pause after a container's second crash, and before a Job's second try, in milliseconds, doubling with each; 10,000 unless given. */
  crashBackoffMs?: number;
  /** Told of each request when it comes, as an audit log would be. */
  onRequest?(request: { method: string; path: string; isWatch: boolean; client: string }): void;
  /** The administrator's bearer token; random unless given. */
  token?: string;
}

export interface Sandbox {
  /** `http://127.0.0.1:<port>`. The same port also speaks https. */
  readonly url: string;
  readonly token: string;
  /** The certificate of the https side, to be trusted by clients. */
  readonly caPem: string;
  /** YAML for kubectl and clients: https with the administrator's token. `server` puts a proxy's URL in its place. */
  kubeconfig(o?: { server?: string; context?: string }): string;
  /** Forgets the past of a resource (`configmaps`, `peers.fairlead.dev`), so that watches from before it get 410 Gone. */
  compact(resource: string): void;
  /** Ends all processes and connections. */
  close(): Promise<void>;
}

export async function createSandbox(o: SandboxOptions): Promise<Sandbox> {
  const clock = o.clock ?? systemClock;
  const token = o.token ?? randomBytes(24).toString("base64url");
  const users = new Users([{ name: "kubernetes-admin", token, groups: ["system:masters"] }, ...(o.users ?? [])]);
  const definitions = loadDefinitions();
  const catalog = new Catalog(builtinResources(definitions));
  // Revisions grow with time, so that those of an earlier sandbox on this port are in the past: expired, never ahead.
  const store = new Store({ startRevision: Math.max(1, Math.floor(clock.now() / 10)), history: o.history ?? 1000 });
  const registry = new Registry({
    store,
    catalog,
    definitions,
    clock,
    beforeStore: (resource, object) => establish(resource, object, definitions, clock),
  });
  serveDefinitions(store, catalog, definitions);
  const certificate = selfSignedCertificate(Date.now());
  const capacity = o.capacity ?? defaultCapacity;
  const storage = createStorage();
  const events = createEventWriter(registry, builtin(registry, "", "events"), clock);
  const controllers = startControllers(
    { registry, clock, log: o.log, events },
    {
      processes: o.processes ?? true,
      capacity,
      nodeLabels: createNode(registry, clock.now(), capacity, o.nodeLabels ?? {}),
      storage,
      crashBackoffMs: o.crashBackoffMs ?? 10_000,
      caPem: certificate.certPem,
    },
  );
  for (const name of ["default", "kube-system"]) {
    registry.create(builtin(registry, "", "namespaces"), undefined, { metadata: { name } }, { manager: "sandbox" });
  }
  const pods = { registry, clock, pods: builtin(registry, "", "pods"), kubelet: controllers.kubelet };
  const router = {
    registry,
    clock,
    users,
    bookmarkMs: o.bookmarkMs ?? 30_000,
    podLog: (request: ApiRequest, target: Target) => podLog(pods, request, target),
  };
  const server = await startApiServer(
    {
      log: o.log,
      users,
      certificate,
      route: (request) => {
        o.onRequest?.({
          method: request.method,
          path: request.path,
          isWatch: flag(request.query, "watch"),
          client: request.raw.headers["user-agent"] ?? "",
        });
        return route(router, request);
      },
      upgrade: async (request, socket, head) => {
        const target = parseTarget(request.path);
        if (!target || target.group || target.plural !== "pods" || !mayDo(request.user, "create")) throw noSuchPath();
        if (target.subresource === "portforward") portForward(pods, request, target, socket, head);
        else if (target.subresource === "exec") podExec(pods, request, target, socket, head);
        else throw noSuchPath();
      },
    },
    o.port ?? 0,
  );
  const caPem = certificate.certPem;
  return {
    url: `http://127.0.0.1:${server.port}`,
    token,
    caPem,
    kubeconfig(options = {}) {
      const { server: address = `https://127.0.0.1:${server.port}`, context = "sandbox" } = options;
      return kubeconfig(address, context, token, caPem);
    },
    compact(name) {
      const [plural = "", ...group] = name.split(".");
      store.compact(storeKey({ plural, group: group.join(".") }));
    },
    async close() {
      await server.close();
      await controllers.close();
      storage.close();
    },
  };
}

const crds = { group: "apiextensions.k8s.io", plural: "customresourcedefinitions" };

/** A definition is served as soon as it is stored, so it says so in its status at once. */
function establish(resource: Resource, object: KubeObject, definitions: Definitions, clock: Clock): KubeObject {
  if (storeKey(resource) !== storeKey(crds)) return object;
  resourceFromDefinition(object, definitions);
  return isObject(object.status) && object.status.conditions
    ? object
    : { ...object, status: establishedStatus(object, timestamp(clock.now())) };
}

function serveDefinitions(store: Store, catalog: Catalog, definitions: Definitions): void {
  store.subscribe(storeKey(crds), ({ type, object }) => {
    const resource = resourceFromDefinition(object, definitions);
    if (type !== "DELETED") catalog.serve(resource);
    else {
      for (const item of store.list(storeKey(resource))) store.remove(storeKey(resource), item);
      catalog.withdraw(resource);
    }
  });
}

function kubeconfig(server: string, context: string, token: string, caPem: string): string {
  const ca = server.startsWith("https:")
    ? `\n    certificate-authority-data: ${Buffer.from(caPem).toString("base64")}`
    : "";
  return `apiVersion: v1
kind: Config
current-context: ${context}
clusters:
- name: ${context}
  cluster:
    server: ${server}${ca}
contexts:
- name: ${context}
  context:
    cluster: ${context}
    user: ${context}
    namespace: default
users:
- name: ${context}
  user:
    token: ${token}
`;
}
