/** Peers as custom resources in the agent's namespace. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { PeerStatus } from "../gen/fairlead/resources/v1alpha1/peer_pb.ts";
import type { KubeClient } from "../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../kube/errors.ts";
import { type Draft, isOlder, refOf } from "../kube/object.ts";
import { createReflector } from "../kube/reflector.ts";
import { type Peer as PeerResource, peers } from "../kube/resources.ts";
import { createStatusWriter } from "../kube/status-writer.ts";
import type { PeerRecord, PeerStore, StoredPeer } from "./peer.ts";
import { toSpec, toStored } from "./peer-resource.ts";

/** Starts to watch at once. */
export function createKubePeerStore(deps: {
  client: KubeClient;
  namespace: string;
  clock: Clock;
  log: Log;
}): PeerStore & { /** Whether it hears the API server; for health. */ readonly lastError: Error | undefined } {
  const { client, namespace, clock, log } = deps;
  const reflector = createReflector({ client, kind: peers, namespace, clock, log });
  const statusWriter = createStatusWriter({ client, kind: peers, clock, log });
  /** What we wrote last of each object: what the watch tells from before it is old. */
  const written = new Map<string, PeerResource>();

  function readQuietly(resource: PeerResource): StoredPeer | undefined {
    const { name } = resource.metadata;
    try {
      const { stored, remarks } = toStored(resource);
      for (const remark of remarks) log.warn({ peer: name, remark }, "part of this Peer is not used");
      return stored;
    } catch (error) {
      log.warn({ err: error, peer: name }, "this Peer is not used");
      return undefined;
    }
  }

  return {
    watch(listener) {
      return reflector.subscribe((key, resource) => {
        const { name } = refOf(key);
        const ours = written.get(name);
        if (!resource) {
          written.delete(name);
          statusWriter.forget(key);
          listener(name, undefined);
        } else if (!ours || !isOlder(resource, ours)) {
          listener(name, readQuietly(resource));
        }
      });
    },
    synced: (signal) => reflector.synced(signal),
    async get(name, signal) {
      const resource = await client.get(peers, { namespace, name }, signal);
      return resource && toStored(resource).stored;
    },
    async put(record, version, signal) {
      const resource = await write(client, namespace, record, version, signal);
      if (!resource) return undefined;
      written.set(record.peer.name, resource);
      return toStored(resource).stored;
    },
    writeStatus(name, status: PeerStatus) {
      const resource = written.get(name) ?? reflector.get(`${namespace}/${name}`);
      if (resource) statusWriter.write({ metadata: resource.metadata, status });
    },
    get lastError() {
      return reflector.lastError;
    },
    async close() {
      await Promise.all([reflector.close(), statusWriter.close()]);
    },
  };
}

async function write(
  client: KubeClient,
  namespace: string,
  record: PeerRecord,
  version: string | undefined,
  signal: AbortSignal,
): Promise<PeerResource | undefined> {
  const { name, labels } = record.peer;
  const spec = toSpec(record);
  try {
    if (version === undefined) {
      const metadata = { name, namespace, labels: { ...labels } };
      return await client.create(peers, { metadata, spec }, signal);
    }
    const present = await client.get(peers, { namespace, name }, signal);
    if (!present || present.metadata.resourceVersion !== version) return undefined;
    // Annotations, owners and finalizers are other people's.
    const metadata = { ...present.metadata, labels: { ...labels } };
    const next: Draft<PeerResource> = { metadata, spec, ...(present.status && { status: present.status }) };
    return await client.update(peers, next, signal);
  } catch (error) {
    if (isAlreadyExists(error) || isConflict(error) || (version !== undefined && isNotFound(error))) return undefined;
    throw error;
  }
}
