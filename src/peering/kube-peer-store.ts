/** Peers as custom resources in the agent's namespace. */
import { X509Certificate } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type PeerSpec, PeerSpecSchema, type PeerStatus } from "../gen/fairlead/resources/v1alpha1/peer_pb.ts";
import { fingerprintOf, isFingerprint } from "../identity/fingerprint.ts";
import type { KubeClient } from "../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../kube/errors.ts";
import { type Draft, isOlder, refOf } from "../kube/object.ts";
import { createReflector } from "../kube/reflector.ts";
import { type Peer as PeerResource, peers } from "../kube/resources.ts";
import { createStatusWriter } from "../kube/status-writer.ts";
import { PeeringError } from "./error.ts";
import type { PeerRecord, PeerStore, Removal, StoredPeer } from "./peer.ts";

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
    try {
      return toStored(resource);
    } catch (error) {
      log.warn({ err: error, peer: resource.metadata.name }, "this Peer is not used");
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
      return resource && toStored(resource);
    },
    async put(record, version, signal) {
      const resource = await write(client, namespace, record, version, signal);
      if (!resource) return undefined;
      written.set(record.peer.name, resource);
      return toStored(resource);
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

function toSpec({ peer, removal }: PeerRecord): PeerSpec {
  const { rootCaPem, insecure } = peer.outerTls ?? {};
  return create(PeerSpecSchema, {
    fingerprint: peer.fingerprint,
    caCertificate: peer.caPem,
    ...(peer.url !== undefined && { url: peer.url }),
    grants: [...peer.grants],
    ...(peer.outerTls && {
      outerTls: {
        ...(rootCaPem !== undefined && { caBundle: rootCaPem }),
        ...(insecure !== undefined && { insecure }),
      },
    }),
    ...(removal && {
      removal: {
        at: new Date(removal.at).toISOString(),
        workloads: removal.workloads,
        forced: removal.forced,
      },
    }),
  });
}

/** Throws when the resource is one that must not be acted on. */
function toStored(resource: PeerResource): StoredPeer {
  const { metadata, spec, status, problems } = resource;
  const name = metadata.name ?? "";
  if (problems) {
    throw unusable(name, `it has what this version does not understand (${problems.slice(0, 3).join("; ")})`);
  }
  const { fingerprint = "", caCertificate = "", url, outerTls } = spec;
  if (!isFingerprint(fingerprint)) throw unusable(name, "its spec.fingerprint is no fingerprint");
  if (fingerprintOfPem(caCertificate) !== fingerprint) {
    throw unusable(name, "its spec.caCertificate does not have the fingerprint in spec.fingerprint");
  }
  return {
    peer: {
      name,
      fingerprint,
      caPem: caCertificate,
      ...(url !== undefined && { url }),
      ...(outerTls && {
        outerTls: {
          ...(outerTls.caBundle !== undefined && { rootCaPem: outerTls.caBundle }),
          ...(outerTls.insecure !== undefined && { insecure: outerTls.insecure }),
        },
      }),
      labels: { ...metadata.labels },
      grants: [...spec.grants],
    },
    ...(spec.removal && { removal: toRemoval(spec.removal) }),
    version: metadata.resourceVersion ?? "",
    generation: metadata.generation ?? 0,
    ...(status?.words !== undefined && { words: status.words }),
  };
}

function toRemoval(removal: NonNullable<PeerSpec["removal"]>): Removal {
  const at = Date.parse(removal.at ?? "");
  return {
    at: Number.isNaN(at) ? 0 : at,
    workloads: removal.workloads === "Delete" ? "Delete" : "Keep",
    forced: removal.forced ?? false,
  };
}

function fingerprintOfPem(pem: string): string | undefined {
  try {
    return fingerprintOf(new X509Certificate(pem).publicKey);
  } catch {
    return undefined;
  }
}

function unusable(name: string, why: string): PeeringError {
  return new PeeringError("precondition", `The Peer "${name}" cannot be used: ${why}. Mend or delete it with kubectl.`);
}
