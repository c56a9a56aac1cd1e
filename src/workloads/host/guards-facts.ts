/**
 * What NetworkPolicies have to know of this cluster: from where the agent comes, what to keep pods away from, and where names
 * are resolved. The API server moves with its control plane, so where it is is watched.
 */
import { isIP } from "node:net";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { createReflector } from "../../kube/reflector.ts";
import { type EndpointSlice, endpointSlices, services } from "../../kube/resources.ts";

/** Where this agent runs, as it knows by itself. */
export interface AgentPlace {
  /** Beside a cluster the agent reaches pods through their kubelets, which no NetworkPolicy hinders. */
  readonly inCluster: boolean;
  /** The namespace of the agent's pod. */
  readonly namespace: string;
  /** The URL at which the agent speaks with the API server: in a cluster that of the Service `kubernetes`. */
  readonly server: string;
  /** The nameservers of the agent's own pod, which are those of all pods; empty beside a cluster. */
  readonly nameservers: readonly string[];
}

export interface ClusterFacts {
  /** The agent's own pods; undefined when it does not run in the cluster. */
  readonly agent: { readonly namespace: string; readonly podLabels: { readonly [label: string]: string } } | undefined;
  /** All addresses of the API server that are known; undefined when they cannot be learnt, and nobody can be kept away from it. */
  readonly apiServer: readonly string[] | undefined;
  readonly dns: readonly string[];
}

export interface FactFinder {
  /** Waits until the cluster has answered, be it with a refusal. Equal facts are the same object. */
  read(signal: AbortSignal): Promise<ClusterFacts>;
  /** Calls `fn` when `read` says something else than before. */
  subscribe(fn: () => void): () => void;
  close(): Promise<void>;
}

/** On the pods of the chart's Deployment; `test/charts` holds the chart to it. */
export const agentPodLabels = { "app.kubernetes.io/name": "fairlead" };

/** While the API server does not answer, in milliseconds: how often it is looked whether it has. */
const lookAgainMs = 100;

/**
 * How many addresses of API servers are remembered. Each takes its own out of the EndpointSlice when it is restarted, and
 * NetworkPolicies need not follow that.
 */
const mostAddresses = 64;

export function createFactFinder(deps: {
  client: Pick<KubeClient, "get" | "list" | "watch">;
  place: AgentPlace;
  clock: Clock;
  log: Log;
}): FactFinder {
  const { client, place, clock, log } = deps;
  // RBAC can give the right to see this one object, and the chart does.
  const only = { namespace: "default", fieldSelector: "metadata.name=kubernetes" };
  const reflector = createReflector({ client, kind: endpointSlices, ...only, clock, log });
  const closing = new AbortController();
  const listeners = new Set<() => void>();
  const seen = new Set<string>();
  let serviceAddresses: readonly string[] | undefined;
  let facts: ClusterFacts | undefined;

  function now(): ClusterFacts {
    for (const address of reflector.list().flatMap(addressesOf)) {
      seen.delete(address);
      seen.add(address);
    }
    for (const oldest of seen) {
      if (seen.size <= mostAddresses) break;
      seen.delete(oldest);
    }
    const next = factsOf(place, reflector.isSynced ? [...seen, ...(serviceAddresses ?? [])] : undefined);
    if (JSON.stringify(next) !== JSON.stringify(facts)) facts = next;
    return facts ?? next;
  }

  function tell(): void {
    const before = facts;
    if (before && now() !== before) for (const fn of listeners) fn();
  }

  /** In a cluster the agent has the Service's address; beside one it may well be free to look, and if not, does without. */
  async function askService(signal: AbortSignal): Promise<readonly string[]> {
    if (place.inCluster) return [];
    try {
      const service = await client.get(services, { namespace: "default", name: "kubernetes" }, signal);
      return service?.spec?.clusterIPs ?? [];
    } catch (error) {
      if (isRefusal(error)) return [];
      throw error;
    }
  }

  const unsubscribe = reflector.subscribe(tell);
  reflector.synced(closing.signal).then(tell, () => undefined); // It closed before.

  return {
    async read(signal) {
      serviceAddresses ??= await askService(signal);
      while (!reflector.isSynced && !isRefusal(reflector.lastError)) {
        await Promise.race([reflector.synced(signal), clock.sleep(lookAgainMs, signal)]);
      }
      const before = facts;
      const found = now();
      if (found !== before && found.apiServer === undefined) log.warn({ err: reflector.lastError }, cannotLearn);
      return found;
    },
    subscribe(fn) {
      listeners.add(fn);
      return () => void listeners.delete(fn);
    },
    async close() {
      closing.abort(new Error("The agent stops."));
      unsubscribe();
      listeners.clear();
      await reflector.close();
    },
  };
}

const cannotLearn =
  "the agent cannot learn where the API server is, so peers' pods get none of the egress that policies give them; " +
  "it needs to list and watch the EndpointSlice kubernetes in the namespace default, as the chart's Role there lets it";

/** Pure. `addresses` of the API server, as the cluster tells them; undefined when it does not. */
export function factsOf(place: AgentPlace, addresses: readonly string[] | undefined): ClusterFacts {
  const agent = place.inCluster ? { namespace: place.namespace, podLabels: agentPodLabels } : undefined;
  const own = new URL(place.server).hostname.replace(/^\[|\]$/g, "");
  const known = [...new Set([own, ...(addresses ?? [])])].filter((address) => isIP(address) !== 0).sort();
  const apiServer = addresses === undefined || known.length === 0 ? undefined : known;
  return { agent, apiServer, dns: place.nameservers.filter(isNameserver).toSorted() };
}

function addressesOf({ endpoints }: EndpointSlice): readonly string[] {
  // The API server writes null where it has none.
  return (endpoints ?? []).flatMap(({ addresses }) => addresses);
}

/** Never the address at which clouds give nodes their credentials, which on some is a nameserver too. */
function isNameserver(address: string): boolean {
  return isIP(address) !== 0 && !/^(127\.|169\.254\.169\.|::1$)/.test(address);
}

function isRefusal(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 401 || error.status === 403);
}
