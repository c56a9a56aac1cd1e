/**
 * Images through the link, both ends: what hosts pull from here for our apps, and what our nodes pull for the apps of peers.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { KubeClient } from "../kube/client.ts";
import type { RemoteApp } from "../kube/resources.ts";
import type { PeeringAudit } from "../peering/audit-entry.ts";
import type { Roster } from "../peering/roster.ts";
import { createStreamRecord } from "../peering/stream-record.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import { parseImage } from "../policy/image.ts";
import { placeOfImage } from "../policy/image-pattern.ts";
import { imagesOf, isPulledThrough } from "../policy/pinned-images.ts";
import type { PulledPlace } from "../policy/pulled-image.ts";
import { type PullPermission, permitPull } from "../policy/pulls.ts";
import { createImageDoor, type DoorLook, type ImageDoor } from "./host/door.ts";
import { createPeerImages, type DialPeer } from "./host/peer-images.ts";
import type { PullPasswords } from "./host/pull-secret.ts";
import { createAccess } from "./origin/access.ts";
import { createImageServer, type ImageCaller, type ImageDial } from "./origin/image-server.ts";
import { createPinner, type ImageTrouble, type PinnerDeps } from "./origin/pinner.ts";
import { createUpstream } from "./origin/upstream.ts";

export interface ImagesDeps {
  readonly client: Pick<KubeClient, "get" | "mergePatch">;
  /** The agent's own, where the Secrets are that policies name. */
  readonly namespace: string;
  readonly roster: Pick<Roster, "get" | "byFingerprint">;
  /** Undefined for who is no peer. */
  policyOf(fingerprint: string): EffectivePolicy | undefined;
  readonly apps: PinnerDeps["apps"];
  /** The peers that run the app, or are to, by our names. */
  peersOf(app: RemoteApp): readonly string[];
  /** What `trouble` says of the app has changed. */
  onTrouble(key: string): void;
  readonly dial: DialPeer;
  readonly passwords: PullPasswords;
  readonly audit: PeeringAudit;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Images {
  /** Answers a dial of a peer that pulls for our apps. Returns at once and never throws. */
  open(caller: ImageCaller, dial: ImageDial): void;
  /** Why it is not known yet what the images of our app stand for. */
  trouble(key: string): ImageTrouble | undefined;
  /** What a reference stands for now, or why that cannot be told the peer. */
  resolve(reference: string, peer: string, signal: AbortSignal): Promise<string | ImageTrouble>;
  /** A right has changed, of one peer or of all: what is no longer allowed ends, and what was refused is looked at again. */
  review(fingerprint?: string): void;
  /** Lets this cluster's nodes pull here. Resolves when it listens. */
  listen(port: number, host: string): Promise<{ port: number }>;
  /** What the nodes' door has seen. */
  look(): DoorLook;
  /** What was sent to hosts, in bytes. */
  readonly sentBytes: number;
  close(): Promise<void>;
}

export type { DoorLook } from "./host/door.ts";

export function createImages(deps: ImagesDeps): Images {
  const { audit, clock, log, roster } = deps;
  const record = createStreamRecord({ audit, clock });
  const upstream = createUpstream({ clock });
  const findAccess = createAccess(deps);

  function permitPeer(fingerprint: string | undefined, place: PulledPlace): PullPermission {
    const policy = fingerprint === undefined ? undefined : deps.policyOf(fingerprint);
    if (!policy) return { allowed: false, rule: "pairing", message: "only a paired peer may pull images" };
    return permitPull(policy, place);
  }

  /** Whether one of our apps at that peer has an image in that repository. */
  function isUsed(peer: string, { registry, repository }: PulledPlace): boolean {
    return deps.apps.list().some((app) => {
      if (!isPulledThrough(app.spec) || !deps.peersOf(app).includes(peer)) return false;
      return imagesOf(app.spec).some((reference) => {
        const image = parseImage(reference);
        const place = image && placeOfImage(image);
        return place?.registry === registry && place.repository === repository;
      });
    });
  }

  const server = createImageServer({
    permit(caller, place) {
      const permission = permitPeer(caller.guest ? undefined : caller.fingerprint, place);
      const peer = roster.byFingerprint(caller.fingerprint)?.name;
      if (!permission.allowed || (peer !== undefined && isUsed(peer, place))) return permission;
      const message = `no app of the origin at this peer has an image in ${place.registry}/${place.repository} and imagePull: ThroughOrigin`;
      return { allowed: false, rule: "images/unused", message };
    },
    findAccess,
    upstream,
    record,
    clock,
    log,
  });
  const pinner = createPinner({
    apps: deps.apps,
    peersOf: deps.peersOf,
    permit: (peer, place) => permitPeer(roster.get(peer)?.fingerprint, place),
    findAccess,
    upstream,
    client: deps.client,
    onChange: deps.onTrouble,
    clock,
    log,
  });
  const door: ImageDoor = createImageDoor({
    ask: createPeerImages(deps.dial),
    passwords: deps.passwords,
    fingerprintOf: (peer) => roster.get(peer)?.fingerprint,
    mayPull: (fingerprint) => deps.policyOf(fingerprint)?.pullThrough ?? false,
    audit,
    clock,
    log,
  });

  return {
    open: (caller, dial) => server.open(caller, dial),
    trouble: (key) => pinner.trouble(key),
    resolve: (reference, peer, signal) => pinner.resolve(reference, peer, signal),
    review(fingerprint) {
      server.review(fingerprint);
      pinner.reviewAll();
    },
    listen: (port, host) => door.listen(port, host),
    look: () => door.look(),
    get sentBytes() {
      return server.sentBytes;
    },
    async close() {
      await Promise.all([pinner.close(), server.close(), door.close()]);
      upstream.close();
      record.close();
    },
  };
}
