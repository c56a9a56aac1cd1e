/** The nodes of the cluster, each with where its kubelet answers, for who may read that. */
import type { Clock } from "../base/clock.ts";
import type { KubeClient } from "./client.ts";
import { createFresh } from "./fresh.ts";
import { readPages } from "./pages.ts";
import { type Node, nodes } from "./resources.ts";

export interface ListedNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As its kubelet said last. */
  readonly ready: boolean;
  /** Undefined when the node does not say where, or says a place to which no peer is led. */
  readonly kubelet: KubeletPlace | undefined;
}

export interface KubeletPlace {
  /** The first internal address to which a peer may be led. */
  readonly address: string;
  readonly port: number;
}

export interface NodeList {
  readonly nodes: readonly ListedNode[];
  /** There are more, which are left out. */
  readonly isCut: boolean;
}

/** What was looked at is good for five seconds, for all who ask. Both reject with a `KubeError`. */
export interface NodeLook {
  /** Undefined when there is no such node. */
  find(name: string, signal: AbortSignal): Promise<ListedNode | undefined>;
  list(signal: AbortSignal): Promise<NodeList>;
}

export interface NodeLookDeps {
  readonly client: Pick<KubeClient, "get" | "list">;
  /** Whether nobody may be led to this address and port, whatever a node says. */
  isKeptOut(address: string, port: number): boolean;
  readonly clock: Clock;
}

const mostNodes = 2_000;

export function createNodeLook(deps: NodeLookDeps): NodeLook {
  const { client, clock } = deps;
  const bounds = { clock, freshMs: 5_000, timeoutMs: 10_000 };
  const find = createFresh({
    ...bounds,
    most: 1_024,
    async look(name, signal) {
      const node = await client.get(nodes, { name }, signal);
      return node && toListed(deps, node);
    },
  });
  const list = createFresh({
    ...bounds,
    most: 1,
    async look(_all, signal) {
      const { items, isCut } = await readPages(client, nodes, { most: mostNodes }, signal);
      return { nodes: items.map((node) => toListed(deps, node)), isCut };
    },
  });
  return { find, list: (signal) => list("", signal) };
}

function toListed({ isKeptOut }: Pick<NodeLookDeps, "isKeptOut">, { metadata, status }: Node): ListedNode {
  // As Kubernetes writes it, with a large letter, which the library's type has not.
  const port = numberAt(status?.daemonEndpoints?.kubeletEndpoint);
  const internal = (status?.addresses ?? []).filter(({ type }) => type === "InternalIP");
  const open = internal.find(({ address }) => port !== undefined && !isKeptOut(address, port));
  return {
    name: metadata.name ?? "",
    labels: metadata.labels ?? {},
    ready: (status?.conditions ?? []).some((one) => one.type === "Ready" && one.status === "True"),
    kubelet: open && port !== undefined ? { address: open.address, port } : undefined,
  };
}

function numberAt(endpoint: object | undefined): number | undefined {
  const port: unknown = endpoint && "Port" in endpoint ? endpoint.Port : undefined;
  return typeof port === "number" && Number.isInteger(port) && port > 0 && port <= 65_535 ? port : undefined;
}
