/** Kubernetes' objects as the API shows them. Pure. */
import { create } from "@bufbuild/protobuf";
import {
  type App,
  AppSchema,
  type Orphan,
  type OrphanAtPeer,
  OrphanAtPeerSchema,
  OrphanSchema,
} from "../../gen/fairlead/console/v1/app_service_pb.ts";
import { type ObjectMeta, ObjectMetaSchema } from "../../gen/fairlead/console/v1/object_pb.ts";
import { type Peer, PeerSchema } from "../../gen/fairlead/console/v1/peer_service_pb.ts";
import { type Forward, ForwardSchema } from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import type * as kube from "../../kube/object.ts";
import type { Forward as ForwardResource, Peer as PeerResource, RemoteApp } from "../../kube/resources.ts";
import type { TrafficCounts } from "../../tunnel/forwards/traffic.ts";
import type { HeldOrphan } from "../../workloads/host/host.ts";
import type { OrphanAtPeer as AppAtPeer } from "../../workloads/origin/origin.ts";
import { versionOf } from "./seen-changes.ts";

export function toApp(resource: RemoteApp): App {
  const { metadata, spec, status } = resource;
  const version = versionOf({ metadata });
  return create(AppSchema, { metadata: toMeta(metadata), spec, version, ...(status && { status }) });
}

export function toPeer(resource: PeerResource): Peer {
  const { metadata, spec, status } = resource;
  return create(PeerSchema, { metadata: toMeta(metadata), spec, ...(status && { status }) });
}

/** `counts` is undefined for one that nothing is listened on for. */
export function toForward(resource: ForwardResource, counts: TrafficCounts | undefined): Forward {
  const { metadata, spec, status } = resource;
  const { taken = 0, ...others } = counts?.opened ?? {};
  const notTaken = Object.fromEntries(Object.entries(others).map(([why, count]) => [why, BigInt(count)]));
  return create(ForwardSchema, {
    metadata: toMeta(metadata),
    spec,
    version: versionOf({ metadata }),
    ...(status && { status }),
    ...(counts && {
      use: {
        connections: counts.connections,
        taken: BigInt(taken),
        notTaken,
        bytesOut: BigInt(counts.out),
        bytesIn: BigInt(counts.in),
        droppedOut: BigInt(counts.dropped.out),
        droppedIn: BigInt(counts.dropped.in),
      },
    }),
  });
}

/** What a peer runs here and no longer knows. */
export function toOrphan({ workload, peer, origin, since }: HeldOrphan): Orphan {
  return create(OrphanSchema, { workload, peer, origin, since });
}

/** What a peer runs for this agent that it does not know. */
export function toOrphanAtPeer({ peer, uid, namespace, name, since }: AppAtPeer): OrphanAtPeer {
  return create(OrphanAtPeerSchema, { peer, uid, app: { namespace, name }, since });
}

/** Of any object. */
export function toMeta(metadata: kube.ObjectMeta): ObjectMeta {
  return create(ObjectMetaSchema, {
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    uid: metadata.uid ?? "",
    generation: BigInt(metadata.generation ?? 0),
    resourceVersion: metadata.resourceVersion ?? "",
    createdAt: metadata.creationTimestamp ?? "",
    deletedAt: metadata.deletionTimestamp ?? "",
    labels: metadata.labels ?? {},
    annotations: shownAnnotations(metadata.annotations ?? {}),
  });
}

/** kubectl keeps the whole object a second time in an annotation; nobody wants to read it. */
function shownAnnotations(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const { "kubectl.kubernetes.io/last-applied-configuration": _, ...shown } = annotations;
  return shown;
}
