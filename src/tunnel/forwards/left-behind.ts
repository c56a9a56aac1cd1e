/**
 * What a process of this agent before has left: EndpointSlices that lead to its ports. A container that is started again has the same
 * address, so those ports are not dealt to others. What peers have offered leads nowhere until they say it again.
 */
import { abortable } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import { mapLimited } from "../../base/map-limited.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { type EndpointSlice, endpointSlices, forwards, namespaces, services } from "../../kube/resources.ts";
import { labels, portOwner, type ServiceIdentity, sliceName, whose } from "./manifests.ts";
import type { PortRange } from "./port-range.ts";
import type { ServiceMaker } from "./service-maker.ts";

export interface LeftBehindDeps {
  readonly client: Pick<KubeClient, "list" | "get">;
  /** Selects the namespaces that are peers' own. */
  readonly peerNamespaces: string;
  /** Whether there is a peer whose own namespace that is. */
  isOfAPeer(namespace: string): boolean;
  /** Resolves once that is known. */
  peersKnown(signal: AbortSignal): Promise<void>;
  readonly address: string;
  readonly range: PortRange;
  readonly maker: ServiceMaker;
  readonly clock: Clock;
  readonly log: Log;
}

export interface LeftBehind {
  /** Resolves once no port is dealt that leads elsewhere still. Rejects when the signal aborts. */
  settled(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

const atOnce = 8;
/** Nodes take a while to hear that a Service does not lead to a port any more; the port is nobody else's for so long. Milliseconds. */
const restMs = 60_000;

export function createLeftBehind(deps: LeftBehindDeps): LeftBehind {
  const { client, range, maker, clock, log } = deps;
  const settled = Promise.withResolvers<void>();
  /** Offers whose ports rest, once all is looked through. */
  let resting: Set<string> | undefined;
  const worker = createKeyedWorker({ run, clock, onError });
  worker.add("all");

  async function run(_key: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    if (resting) {
      for (const owner of resting) range.giveBack(owner);
      return;
    }
    await deps.peersKnown(signal);
    const { items } = await client.list(forwards, {}, signal);
    await mapLimited(items, atOnce, ({ metadata: { namespace = "", name = "", uid = "" }, spec: { peer = "" } }) =>
      keepOwn({ namespace, name, uid, peer, isOwned: true }, signal),
    );
    const found = new Set<string>();
    for (const { metadata } of (await client.list(namespaces, { labelSelector: deps.peerNamespaces }, signal)).items) {
      for (const owner of await clearOffered(metadata.name ?? "", signal)) found.add(owner);
    }
    resting = found;
    settled.resolve();
    return { againMs: restMs };
  }

  /** Its ports stay its own, until it is brought to what it asks for now. */
  async function keepOwn(forward: ServiceIdentity, signal: AbortSignal): Promise<void> {
    const { namespace, name } = forward;
    const slice = await allowed(client.get(endpointSlices, { namespace, name: sliceName(name) }, signal));
    const mark = slice && whose(slice.metadata, forward);
    if (!slice || mark === "others") return;
    const uid = slice.metadata.labels?.[labels.forward] ?? "";
    if (mark === "ours" && holdPorts(portOwner({ namespace, uid }), slice)) return;
    await allowed(maker.leave({ ...forward, uid }, signal));
  }

  /** For whom ports are held of what was offered there, and leads nowhere now. */
  async function clearOffered(namespace: string, signal: AbortSignal): Promise<string[]> {
    const found = await allowed(client.list(services, { namespace, labelSelector: labels.forward }, signal));
    const isOfAPeer = deps.isOfAPeer(namespace);
    const cleared = await mapLimited(found?.items ?? [], atOnce, async ({ metadata }) => {
      const { name = "" } = metadata;
      const uid = metadata.labels?.[labels.forward] ?? "";
      const made = { namespace, name, uid, peer: metadata.labels?.[labels.peer] ?? "", isOwned: false };
      const slice = await allowed(client.get(endpointSlices, { namespace, name: sliceName(name) }, signal));
      if (slice && whose(slice.metadata, made) === "ours") holdPorts(portOwner(made), slice);
      const done = (isOfAPeer ? maker.leave(made, signal) : maker.remove(made, signal)).then(() => true);
      return (await allowed(done)) ? [portOwner(made)] : [];
    });
    return cleared.flat();
  }

  /** False when it leads to a port here that leads elsewhere too. */
  function holdPorts(owner: string, { endpoints = [], ports = [] }: EndpointSlice): boolean {
    if (!endpoints?.some(({ addresses }) => addresses.includes(deps.address))) return true;
    return (ports ?? []).every(({ name = "", port }) => port === undefined || range.hold(owner, name, port));
  }

  function onError(_key: string, error: unknown, attempt: number): void {
    const told = "what an earlier agent has left of Forwards is not known yet, so none begins; it is tried again";
    log.warn({ err: error, attempt }, told);
  }

  return {
    settled: (signal) => abortable(settled.promise, signal),
    close: () => worker.close(),
  };
}

/** Undefined where it is not let: there it has made nothing, or can change nothing of it, and all others do not wait for that. */
async function allowed<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof KubeError && (error.status === 403 || error.status === 422)) return undefined;
    throw error;
  }
}
