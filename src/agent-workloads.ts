/** The apps of an agent, both ends: what runs for it at peers, and what it runs for them where there is a cluster. */
import { getServers } from "node:dns";
import type { AgentPlace } from "./agent-place.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import type { Clock } from "./base/clock.ts";
import type { Log } from "./base/log.ts";
import type { Config } from "./config.ts";
import type { Identity } from "./identity/identity.ts";
import type { Images } from "./images/images.ts";
import type { EventRecorder } from "./kube/event-recorder.ts";
import type { Peering } from "./peering/peering.ts";
import type { PolicyBook } from "./policy/policy-book.ts";
import { createContentHash } from "./workloads/content-hash.ts";
import type { PullDoor } from "./workloads/host/pulled-images.ts";
import type { OriginDeps } from "./workloads/origin/origin.ts";
import { createWorkloads, type Workloads } from "./workloads/workloads.ts";

export function agentWorkloads(deps: {
  readonly place: AgentPlace;
  readonly config: Config;
  readonly identity: Pick<Identity, "keyFor">;
  readonly peering: Pick<Peering, "roster" | "switchboard" | "facts">;
  readonly policies: PolicyBook;
  readonly pageUrl: NonNullable<OriginDeps["pageUrl"]>;
  /** They stand on this room, so they come later, before anything is asked of them. */
  images(): Pick<Images, "trouble" | "resolve">;
  readonly pullDoor: PullDoor | undefined;
  readonly events: EventRecorder;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
}): Workloads {
  const { place, identity, images, policies, pageUrl, pullDoor, events, audit, clock, log } = deps;
  const { roster, switchboard, facts } = deps.peering;
  const { client, namespace, inCluster, server } = place;
  const peers = { roster, links: switchboard, transport: (peer: string) => switchboard.transport(peer) };
  return createWorkloads({
    origin: {
      ...{ ...peers, client, facts, events, audit, namespace, pageUrl, clock, log },
      hashContent: createContentHash(identity.keyFor("fairlead attachments sent")),
      imageTrouble: (key) => images().trouble(key),
      resolveImage: (image, peer, asking) => images().resolve(image, peer, asking),
    },
    host: {
      ...{ ...peers, client, pullDoor, policies, audit, clock, log },
      logs: place.pods.logs,
      tenantRole: deps.config.kube.tenantRole,
      hashContent: createContentHash(identity.keyFor("fairlead attachments held")),
      place: {
        inCluster,
        namespace: place.podNamespace,
        server,
        nameservers: inCluster ? getServers() : [],
      },
      standsAlone: place.gateway === undefined,
    },
  });
}
