/**
 * Services: Endpoints and EndpointSlices of the pods behind them. All pods share 127.0.0.1 and each listens on ports of
 * its own there, so each pod has a subset and a slice of its own.
 */
import { isObject } from "../json.ts";
import type { KubeObject, OwnerReference } from "../object.ts";
import { type Resource, storeKey } from "../resource.ts";
import { hasLabels } from "../selectors.ts";
import {
  builtin,
  type Controller,
  type ControllerDeps,
  controllerKey,
  keyOf,
  splitKey,
  startController,
} from "./controller.ts";
import { controllerReference, isPod, isPodGone, isPodReady, isService, type Pod, type Service } from "./shapes.ts";

const manager = { manager: "endpoint-controller" };

/** On which loopback port a pod serves one of its container ports; undefined while it does not. */
export type LocalPort = (podUid: string, containerPort: number) => number | undefined;

interface Draft {
  metadata: { name: string; namespace: string; labels?: Record<string, string>; ownerReferences?: OwnerReference[] };
  [field: string]: unknown;
}

interface PodPort {
  name?: string;
  port: number;
  protocol: string;
  appProtocol?: string;
}

export function startEndpointsController(deps: ControllerDeps, localPort: LocalPort): Controller {
  const { registry } = deps;
  const services = builtin(registry, "", "services");
  const pods = builtin(registry, "", "pods");
  const endpoints = builtin(registry, "", "endpoints");
  const slices = builtin(registry, "discovery.k8s.io", "endpointslices");
  const { store } = registry;
  const ensure = (resource: Resource, body: Draft): void => {
    const { namespace, name } = body.metadata;
    if (!store.get(storeKey(resource), namespace, name)) registry.create(resource, namespace, body, manager);
    else {
      registry.update(
        resource,
        namespace,
        name,
        (live) => ({ ...live, ...body, metadata: { ...live.metadata, ...body.metadata } }),
        manager,
      );
    }
  };
  return startController(deps, {
    name: "endpoints",
    watched: [
      { resource: services, keysOf: (object) => [keyOf(object)] },
      {
        resource: pods,
        keysOf: (pod) => servicesOf(store.list(storeKey(services), pod.metadata.namespace), pod),
        afterMs: 5,
      },
      { resource: slices, keysOf: controllerKey("Service") },
    ],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const service = store.get(storeKey(services), namespace, name);
      if (!service || !isService(service) || !service.spec.selector || service.metadata.deletionTimestamp) {
        if (!service && store.get(storeKey(endpoints), namespace, name)) registry.delete(endpoints, namespace, name);
        return;
      }
      const behind = store
        .list(storeKey(pods), namespace)
        .filter(isPod)
        .filter(
          (pod) => hasLabels(service.spec.selector ?? {})(pod.metadata.labels) && !isPodGone(pod) && pod.status?.podIP,
        );
      const served = behind
        .map((pod) => ({ pod, ready: isPodReady(pod), ports: portsOf(service, pod, localPort) }))
        .filter(({ ports }) => ports.length > 0);
      const labels = service.metadata.labels ?? {};
      ensure(endpoints, {
        metadata: { name, namespace, ...(isObject(service.metadata.labels) ? { labels } : {}) },
        subsets: served.map(subsetOf),
      });
      const wanted = new Set<string>();
      for (const { pod, ready, ports } of served) {
        const sliceName = `${name}-${pod.metadata.uid.slice(0, 5)}`;
        wanted.add(sliceName);
        ensure(slices, {
          metadata: {
            name: sliceName,
            namespace,
            labels: {
              ...labels,
              "kubernetes.io/service-name": name,
              "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            ownerReferences: [controllerReference(service)],
          },
          addressType: "IPv4",
          endpoints: [
            {
              addresses: [pod.status?.podIP ?? ""],
              conditions: { ready, serving: ready, terminating: false },
              targetRef: targetRef(pod),
              nodeName: pod.spec.nodeName,
            },
          ],
          ports,
        });
      }
      for (const slice of store.list(storeKey(slices), namespace)) {
        const isOurs = slice.metadata.labels?.["kubernetes.io/service-name"] === name;
        if (isOurs && !wanted.has(slice.metadata.name)) registry.delete(slices, namespace, slice.metadata.name);
      }
    },
  });
}

function servicesOf(services: readonly KubeObject[], pod: KubeObject): string[] {
  return services
    .filter(isService)
    .filter((service) => service.spec.selector && hasLabels(service.spec.selector)(pod.metadata.labels))
    .map(keyOf);
}

function portsOf(service: Service, pod: Pod, localPort: LocalPort): PodPort[] {
  return (service.spec.ports ?? []).flatMap(({ name, port, protocol = "TCP", targetPort = port, appProtocol }) => {
    const declared = pod.spec.containers.flatMap((container) => container.ports ?? []);
    const number =
      typeof targetPort === "number"
        ? targetPort
        : declared.find((candidate) => candidate.name === targetPort)?.containerPort;
    const local = number === undefined ? undefined : localPort(pod.metadata.uid, number);
    return local === undefined
      ? []
      : [{ ...(name ? { name } : {}), port: local, protocol, ...(appProtocol ? { appProtocol } : {}) }];
  });
}

function subsetOf({ pod, ready, ports }: { pod: Pod; ready: boolean; ports: PodPort[] }): object {
  const addresses = [{ ip: pod.status?.podIP, nodeName: pod.spec.nodeName, targetRef: targetRef(pod) }];
  return { ...(ready ? { addresses } : { notReadyAddresses: addresses }), ports };
}

function targetRef({ metadata }: Pod): object {
  return { kind: "Pod", namespace: metadata.namespace, name: metadata.name, uid: metadata.uid };
}
