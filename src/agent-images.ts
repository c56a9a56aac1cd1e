/** The way by which this cluster's nodes pull what peers bring along, as the settings have it. */
import type { KeyObject } from "node:crypto";
import type { Config } from "./config.ts";
import type { ImageWay } from "./doctor/judge-images.ts";
import { createPullPasswords, type PullPasswords } from "./images/host/pull-secret.ts";
import type { DoorLook } from "./images/images.ts";
import { imagesFeature } from "./policy/pinned-images.ts";
import type { PullDoor } from "./workloads/host/pulled-images.ts";

export interface NodesWay {
  readonly passwords: PullPasswords;
  /** Undefined when there is no such way. */
  readonly door: PullDoor | undefined;
  /** For the doctor. */
  look(seen: DoorLook, waiting: readonly string[]): ImageWay | undefined;
}

/** What this agent can do that another may not, as far as it matters where an app is placed. */
export function featuresOf({ images }: Config): string[] {
  return ["leases", ...(images.registry === undefined ? [] : [imagesFeature])];
}

/** `key` is this agent's own for pull secrets. */
export function nodesWay(config: Config, key: KeyObject): NodesWay {
  const [registry, way] = [config.images.registry, config.images.way];
  const passwords = createPullPasswords(key);
  const door =
    registry === undefined
      ? undefined
      : {
          name: registry,
          configFor: (tenant: Parameters<PullDoor["configFor"]>[0]) => passwords.configFor(registry, tenant),
        };
  return {
    passwords,
    door,
    look: (seen, waiting) => (registry === undefined ? undefined : { ...seen, registry, way, waiting }),
  };
}
