/** The least API server that a book of policies can live on. What it does wrong, and when, is up to the test. */
import { Queue } from "../../src/base/queue.ts";
import type { KubeClient, WatchEvent } from "../../src/kube/client.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import type { ResourceKind } from "../../src/kube/resource-kind.ts";
import { type PeerPolicy, peerPolicies } from "../../src/kube/resources.ts";

export type PolicyClient = Pick<KubeClient, "list" | "watch" | "applyStatus" | "get">;

export interface FakePolicies {
  readonly client: PolicyClient;
  /** Thrown instead of any answer while it is set. */
  fault: Error | undefined;
  put(name: string, spec: JsonObject): void;
  remove(name: string): void;
  /** Gives a policy a status, of which no watch tells. */
  store(name: string, status: JsonObject): void;
  /** The statuses that were written, oldest first. */
  readonly written: { readonly name: string; readonly status: JsonObject }[];
  /** Ends all watches by an error. */
  cut(error: Error): void;
}

/** `spoil` may do to each policy that is listed what no API server does. */
export function createFakePolicies(spoil: (policy: PeerPolicy) => void = () => undefined): FakePolicies {
  const policies = new Map<string, JsonObject>();
  const open = new Set<Queue<{ type: "ADDED" | "MODIFIED" | "DELETED"; json: JsonObject }>>();
  const written: { name: string; status: JsonObject }[] = [];
  let version = 1;
  const fake: FakePolicies = { client: makeClient(), fault: undefined, put, remove, store, written, cut };

  function put(name: string, spec: JsonObject): void {
    const before = policies.get(name);
    version += 1;
    const metadata = {
      name,
      namespace: "fairlead",
      uid: `uid-${name}`,
      generation: version,
      resourceVersion: String(version),
      creationTimestamp: "2026-01-01T00:00:00Z",
    };
    const json = { metadata, spec };
    policies.set(name, json);
    for (const watch of open) watch.push({ type: before ? "MODIFIED" : "ADDED", json });
  }

  function remove(name: string): void {
    const json = policies.get(name);
    if (!json) return;
    policies.delete(name);
    version += 1;
    const gone = { ...json, metadata: { ...Object(json.metadata), resourceVersion: String(version) } };
    for (const watch of open) watch.push({ type: "DELETED", json: gone });
  }

  function store(name: string, status: JsonObject): void {
    const json = policies.get(name);
    if (json) policies.set(name, { ...json, status });
  }

  function cut(error: Error): void {
    for (const watch of open) watch.close(error);
    open.clear();
  }

  function check(kind: { kind: string }): void {
    if (fake.fault) throw fake.fault;
    if (kind.kind !== peerPolicies.kind) throw new Error(`a book of policies asks for no ${kind.kind}`);
  }

  function makeClient(): PolicyClient {
    return {
      async list(kind) {
        await Promise.resolve();
        check(kind);
        const items = [...policies.values()].map((json) => kind.parse(json));
        for (const item of items) spoil(Object(item));
        return { items, resourceVersion: String(version) };
      },
      async *watch<T>(kind: ResourceKind<T>, _options: object, signal: AbortSignal): AsyncGenerator<WatchEvent<T>> {
        await Promise.resolve();
        check(kind);
        const queue = new Queue<{ type: "ADDED" | "MODIFIED" | "DELETED"; json: JsonObject }>(1_000);
        open.add(queue);
        const onAbort = (): void => queue.close(signal.reason);
        signal.addEventListener("abort", onAbort, { once: true });
        try {
          for await (const { type, json } of queue)
            yield { type, object: kind.parse(json), resourceVersion: String(version) };
        } finally {
          open.delete(queue);
          signal.removeEventListener("abort", onAbort);
        }
      },
      async applyStatus(kind, object) {
        check(kind);
        const json = kind.format(object);
        written.push({ name: object.metadata.name ?? "", status: Object(json.status) });
        return kind.parse({ ...json });
      },
      async get(kind, ref) {
        check(kind);
        const json = policies.get(ref.name);
        return json && kind.parse(json);
      },
    };
  }

  return fake;
}

export function policyNames(policies: readonly PeerPolicy[]): (string | undefined)[] {
  return policies.map(({ metadata }) => metadata.name);
}
