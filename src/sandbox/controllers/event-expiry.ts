import { storeKey } from "../resource.ts";
import { builtin, type Controller, type ControllerDeps, startController } from "./controller.ts";

/** Events are kept for an hour, as in a cluster. */
const keptMs = 3_600_000;

export function startEventExpiry(deps: ControllerDeps): Controller {
  const events = builtin(deps.registry, "", "events");
  const controller = startController(deps, {
    name: "event-expiry",
    watched: [],
    async reconcile() {
      const oldest = deps.clock.now() - keptMs;
      for (const { metadata, lastTimestamp } of deps.registry.store.list(storeKey(events))) {
        const last = typeof lastTimestamp === "string" ? lastTimestamp : metadata.creationTimestamp;
        if (Date.parse(last) < oldest)
          deps.registry.delete(events, metadata.namespace, metadata.name, { uid: metadata.uid });
      }
      return { againMs: 60_000 };
    },
  });
  controller.add("all", 60_000);
  return controller;
}
