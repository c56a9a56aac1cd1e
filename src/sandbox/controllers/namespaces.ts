/** Namespaces: each begins with what every namespace has, and its deletion takes along what is in it. */
import { type Resource, storeKey } from "../resource.ts";
import { StatusError } from "../status-error.ts";
import { builtin, type Controller, type ControllerDeps, startController } from "./controller.ts";

const manager = { manager: "namespace-controller" };

export function startNamespaceController(deps: ControllerDeps, caPem: string): Controller {
  const { registry } = deps;
  const { store } = registry;
  const namespaces = builtin(registry, "", "namespaces");
  const unsubscribe = store.subscribeAll((_key, { type, object }) => {
    const { namespace } = object.metadata;
    if (
      type === "DELETED" &&
      namespace &&
      store.get(storeKey(namespaces), undefined, namespace)?.metadata.deletionTimestamp
    ) {
      controller.add(namespace);
    }
  });
  const controller = startController(deps, {
    name: "namespaces",
    watched: [{ resource: namespaces, keysOf: ({ metadata }) => [metadata.name] }],
    async reconcile(name) {
      const namespace = store.get(storeKey(namespaces), undefined, name);
      if (!namespace) return;
      if (!namespace.metadata.deletionTimestamp) {
        furnish(deps, name, caPem);
        return;
      }
      let left = 0;
      for (const resource of registry.catalog.list().filter((candidate) => candidate.namespaced))
        left += clear(deps, resource, name);
      if (left === 0) registry.finish(namespaces, namespace);
    },
  });
  return {
    add: controller.add,
    async close() {
      unsubscribe();
      await controller.close();
    },
  };
}

function furnish(deps: ControllerDeps, namespace: string, caPem: string): void {
  const ensure = (resource: Resource, body: { metadata: { name: string } }): void => {
    if (deps.registry.store.get(storeKey(resource), namespace, body.metadata.name)) return;
    deps.registry.create(resource, namespace, body, manager);
  };
  ensure(builtin(deps.registry, "", "serviceaccounts"), { metadata: { name: "default" } });
  const rootCa = { metadata: { name: "kube-root-ca.crt" }, data: { "ca.crt": caPem } };
  ensure(builtin(deps.registry, "", "configmaps"), rootCa);
}

/** Deletes everything of a resource in the namespace, and says how much of it is still there. */
function clear(deps: ControllerDeps, resource: Resource, namespace: string): number {
  const { store } = deps.registry;
  for (const { metadata } of store.list(storeKey(resource), namespace)) {
    if (metadata.deletionTimestamp) continue;
    try {
      deps.registry.delete(resource, namespace, metadata.name);
    } catch (error) {
      if (!(error instanceof StatusError && error.code === 404)) throw error;
    }
  }
  return store.list(storeKey(resource), namespace).length;
}
