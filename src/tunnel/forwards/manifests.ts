/** The Service of a Forward, and the EndpointSlice that leads it to this agent. Pure. */
import { isIP } from "node:net";
import type { Draft, ObjectMeta } from "../../kube/object.ts";
import type { EndpointSlice, Service } from "../../kube/resources.ts";

export const labels = {
  managedBy: "app.kubernetes.io/managed-by",
  /** On a Service and an EndpointSlice: the UID of the Forward that they are of. */
  forward: "fairlead.dev/forward",
  /** Our name for the peer. */
  peer: "fairlead.dev/peer",
} as const;

/** Whose a Service is, and what it is called. */
export interface ServiceIdentity {
  readonly namespace: string;
  readonly name: string;
  /** The UID of the Forward, here or at a peer. */
  readonly uid: string;
  readonly peer: string;
  /** Whether that Forward is in this cluster, and what is made for it goes with it. */
  readonly isOwned: boolean;
}

/**
 * For whom ports are held that this leads to. A UID at a peer is what the peer says, and may be that of a Forward here; its namespace is
 * its own.
 */
export function portOwner({ namespace, uid }: Pick<ServiceIdentity, "namespace" | "uid">): string {
  return `${namespace}/${uid}`;
}

/** What is to be there. */
export interface WantedService extends ServiceIdentity {
  readonly ports: readonly WantedPort[];
  /** Where pods reach this agent. */
  readonly place: AgentPlace;
}

export interface WantedPort {
  readonly name: string;
  /** Of the Service. */
  readonly port: number;
  /** Of this agent, where it listens for it. */
  readonly listening: number;
  readonly appProtocol: string | undefined;
  readonly protocol: "TCP" | "UDP";
}

export interface AgentPlace {
  readonly address: string;
  /** The agent's own, where it is one. */
  readonly pod?: { readonly namespace: string; readonly name: string } | undefined;
}

/** What an object of that name is to this Forward. `left`: an earlier Forward of the same name made it. */
export function whose(
  metadata: ObjectMeta,
  { uid, peer, isOwned }: Pick<ServiceIdentity, "uid" | "peer" | "isOwned">,
): "ours" | "left" | "others" {
  const found = metadata.labels ?? {};
  if (found[labels.managedBy] !== "fairlead" || !found[labels.forward]) return "others";
  // In the namespace of a peer it was made for a Forward at that peer; anywhere else for one of this cluster.
  if (!isOwned && found[labels.peer] !== peer) return "others";
  return found[labels.forward] === uid ? "ours" : "left";
}

export function serviceOf(wanted: WantedService): Draft<Service> {
  return {
    metadata: { name: wanted.name, ...metadataOf(wanted) },
    spec: { type: "ClusterIP", ports: portsOf(wanted) },
  };
}

/** One that is there, with nothing in it that leads elsewhere. The same object in content where it is right already. */
export function changedService(wanted: WantedService): (found: Service) => Service {
  return (found) => {
    const { selector: _1, externalName: _2, externalIPs: _3, ...spec } = found.spec ?? {};
    const here = spec.ports ?? [];
    const ports = portsOf(wanted).map((port) => {
      // A number that was given stays: it costs nothing, and changes nothing of where it leads.
      const before = here.find(
        (other) => other.name === port.name && other.port === port.port && (other.protocol ?? "TCP") === port.protocol,
      );
      return { ...(before?.nodePort !== undefined && { nodePort: before.nodePort }), ...port };
    });
    return { ...found, metadata: withMarks(found, metadataOf(wanted)), spec: { ...spec, type: "ClusterIP", ports } };
  };
}

/** Of the EndpointSlice of this Service. */
export function sliceName(service: string): string {
  return `${service}-fairlead`;
}

export function endpointSliceOf(wanted: WantedService): EndpointSlice {
  const metadata = metadataOf(wanted);
  const { address, pod } = wanted.place;
  return {
    metadata: {
      ...metadata,
      name: sliceName(wanted.name),
      labels: {
        ...metadata.labels,
        "kubernetes.io/service-name": wanted.name,
        "endpointslice.kubernetes.io/managed-by": "fairlead.dev",
      },
    },
    addressType: isIP(address) === 6 ? "IPv6" : "IPv4",
    endpoints: [
      {
        addresses: [address],
        conditions: { ready: true, serving: true, terminating: false },
        ...(pod && { targetRef: { kind: "Pod", ...pod } }),
      },
    ],
    ports: wanted.ports.map(({ name, listening, appProtocol, protocol }) => ({
      name,
      port: listening,
      protocol,
      ...(appProtocol !== undefined && { appProtocol }),
    })),
  };
}

/** One that is there; undefined where it has to be made anew, since the kind of its addresses cannot be changed. */
export function changedSlice(wanted: WantedService): (found: EndpointSlice) => EndpointSlice | undefined {
  return (found) => {
    const slice = endpointSliceOf(wanted);
    if (found.addressType !== slice.addressType) return undefined;
    return { ...found, ...slice, metadata: withMarks(found, slice.metadata) };
  };
}

function portsOf({ ports }: WantedService) {
  return ports.map(({ name, port, listening, appProtocol, protocol }) => ({
    ...(appProtocol !== undefined && { appProtocol }),
    name,
    port,
    protocol,
    targetPort: listening,
  }));
}

function metadataOf({ namespace, name, uid, peer, isOwned }: ServiceIdentity): ObjectMeta {
  return {
    namespace,
    labels: { [labels.managedBy]: "fairlead", [labels.forward]: uid, [labels.peer]: peer },
    ...(isOwned && {
      ownerReferences: [{ apiVersion: "fairlead.dev/v1alpha1", kind: "Forward", name, uid, controller: true }],
    }),
  };
}

/** What others have written on it beside that stays. */
function withMarks({ metadata }: { metadata: ObjectMeta }, marks: ObjectMeta): ObjectMeta {
  return {
    ...metadata,
    labels: { ...metadata.labels, ...marks.labels },
    ...(marks.ownerReferences && { ownerReferences: marks.ownerReferences }),
  };
}
