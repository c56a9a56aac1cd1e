/** Events that the sandbox's controllers write. The same event again only counts up, as Kubernetes does it. */
import { createHash } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { at } from "../json.ts";
import { type KubeObject, timestamp } from "../object.ts";
import type { Registry } from "../registry/registry.ts";
import { type Resource, storeKey } from "../resource.ts";
import { StatusError } from "../status-error.ts";

export interface EventWriter {
  write(about: KubeObject, type: "Normal" | "Warning", reason: string, message: string, component: string): void;
}

export function createEventWriter(registry: Registry, events: Resource, clock: Clock): EventWriter {
  return {
    write(about, type, reason, message, component) {
      const { namespace = "default", name, uid, resourceVersion } = about.metadata;
      const digest = createHash("sha256")
        .update([uid, type, reason, message, component].join("\n"))
        .digest("hex")
        .slice(0, 16);
      const eventName = `${name.slice(0, 230)}.${digest}`;
      const now = timestamp(clock.now());
      const known = registry.store.get(storeKey(events), namespace, eventName);
      try {
        if (known) {
          const count = Number(at(known, "count") ?? 1) + 1;
          registry.update(events, namespace, eventName, (live) => ({ ...live, count, lastTimestamp: now }), {
            manager: component,
          });
          return;
        }
        const involvedObject = {
          apiVersion: about.apiVersion,
          kind: about.kind,
          namespace,
          name,
          uid,
          resourceVersion,
        };
        const body = {
          metadata: { name: eventName, namespace },
          involvedObject,
          type,
          reason,
          message,
          source: { component },
          reportingComponent: component,
          reportingInstance: "",
          firstTimestamp: now,
          lastTimestamp: now,
          count: 1,
        };
        registry.create(events, namespace, body, { manager: component });
      } catch (error) {
        // A namespace that is being deleted takes no more events.
        if (!(error instanceof StatusError)) throw error;
      }
    },
  };
}
