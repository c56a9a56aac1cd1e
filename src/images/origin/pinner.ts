/**
 * Looks up what the images of our apps stand for, where a host is to pull them through here: once for each reference, and
 * again when a restart is asked for. What is found is written on the RemoteApp, so that it holds over restarts of this agent.
 */
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { keyOf, refOf } from "../../kube/object.ts";
import { type RemoteApp, remoteApps } from "../../kube/resources.ts";
import { parseImage } from "../../policy/image.ts";
import { placeOfImage } from "../../policy/image-pattern.ts";
import {
  digestOf,
  imageDigestsAnnotation,
  imagesOf,
  isPulledThrough,
  type PinnedImages,
  readPinned,
  writePinned,
} from "../../policy/pinned-images.ts";
import { type PulledPlace, pulledPath } from "../../policy/pulled-image.ts";
import type { PullPermission } from "../../policy/pulls.ts";
import { ImageError } from "../image-error.ts";
import type { FindAccess } from "./access.ts";
import { resolveTag } from "./resolver.ts";
import type { Upstream } from "./upstream.ts";

/** Why the images of an app are not known yet. */
export interface ImageTrouble {
  /** One word: ImageDenied, ImageUnknown, ImageUnavailable. */
  readonly reason: string;
  readonly message: string;
}

export interface PinnerDeps {
  readonly apps: {
    get(key: string): RemoteApp | undefined;
    list(): RemoteApp[];
    subscribe(fn: (key: string, app: RemoteApp | undefined) => void): () => void;
  };
  /** The peers that run the app, or are to, by our names. */
  peersOf(app: RemoteApp): readonly string[];
  /** What our policy says of that peer and that place. */
  permit(peer: string, place: PulledPlace): PullPermission;
  readonly findAccess: FindAccess;
  readonly upstream: Pick<Upstream, "ask">;
  readonly client: Pick<KubeClient, "mergePatch">;
  /** What `trouble` says of the app has changed. */
  onChange(key: string): void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Pinner {
  trouble(key: string): ImageTrouble | undefined;
  /** Looks up what a reference stands for now, without keeping it. */
  resolve(reference: string, peer: string, signal: AbortSignal): Promise<string | ImageTrouble>;
  /** The policies have changed: what was refused may be allowed. */
  reviewAll(): void;
  close(): Promise<void>;
}

/** How soon a registry that failed is asked again; milliseconds. */
const againMs = 15_000;

export function createPinner(deps: PinnerDeps): Pinner {
  const { apps, clock, log } = deps;
  const troubles = new Map<string, ImageTrouble>();
  const worker = createKeyedWorker({ run, clock, concurrency: 4, onError });
  const unsubscribe = apps.subscribe((key, app) => {
    if (app ? isDue(app) : troubles.has(key)) worker.add(key);
  });

  function isDue(app: RemoteApp): boolean {
    if (!isPulledThrough(app.spec) || app.metadata.deletionTimestamp || app.problems?.length) {
      return troubles.has(keyOf(app));
    }
    return missing(app).length > 0 || troubles.has(keyOf(app));
  }

  async function run(key: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    const app = apps.get(key);
    if (!app || !isPulledThrough(app.spec) || app.metadata.deletionTimestamp || app.problems?.length) {
      setTrouble(key, undefined);
      return undefined;
    }
    const wanted = missing(app);
    if (wanted.length === 0) {
      setTrouble(key, undefined);
      return undefined;
    }
    const peers = deps.peersOf(app);
    if (peers.length === 0) return undefined;
    try {
      const found: Record<string, string> = {};
      for (const image of wanted) found[image] = await lookUp(image, peers, signal);
      await write(app, found, signal);
      setTrouble(key, undefined);
      log.info({ app: key, digests: found }, "looked up what the images of an app stand for");
      return undefined;
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      setTrouble(key, troubleOf(error));
      // A policy tells of its changes; registries and Secrets do not.
      return { againMs };
    }
  }

  async function lookUp(reference: string, peers: readonly string[], signal: AbortSignal): Promise<string> {
    const image = parseImage(reference);
    const place = image && placeOfImage(image);
    if (!image || !place || pulledPath(place) === undefined) {
      throw new ImageError("not-found", `${reference} is no image that can be pulled through an agent.`);
    }
    const [first] = peers.map((peer) => permitted(peer, place));
    if (!first) throw new ImageError("denied", "No peer is to run the app.");
    const access = await deps.findAccess(first.by, signal);
    return resolveTag(deps.upstream, access, { repository: place.repository, tag: image.tag ?? "latest" }, signal);
  }

  function permitted(peer: string, place: PulledPlace): PullPermission & { allowed: true } {
    const permission = deps.permit(peer, place);
    if (permission.allowed) return permission;
    throw new ImageError("denied", `${peer} may not have the image from here: ${permission.message}.`);
  }

  async function write(app: RemoteApp, found: Record<string, string>, signal: AbortSignal): Promise<void> {
    const before = pinnedOf(app);
    const restartedAt = app.spec.restartedAt ?? "";
    const images = new Set(imagesOf(app.spec));
    const kept = before.restartedAt === restartedAt ? before.digests : {};
    const used = Object.entries({ ...kept, ...found }).filter(([image]) => images.has(image));
    const text = writePinned({ restartedAt, digests: Object.fromEntries(used) });
    const { uid = "" } = app.metadata;
    const metadata = { uid, annotations: { [imageDigestsAnnotation]: text } };
    await deps.client.mergePatch(remoteApps, refOf(app), { metadata }, signal);
  }

  function setTrouble(key: string, trouble: ImageTrouble | undefined): void {
    const before = troubles.get(key);
    if (before?.message === trouble?.message && before?.reason === trouble?.reason) return;
    if (trouble) troubles.set(key, trouble);
    else troubles.delete(key);
    if (trouble) log.warn({ app: key, ...trouble }, "what an image stands for is not known");
    deps.onChange(key);
  }

  function onError(key: string, error: unknown): void {
    setTrouble(key, { reason: "ImageUnavailable", message: `The image is looked up again: ${errorText(error)}` });
  }

  return {
    trouble: (key) => troubles.get(key),
    async resolve(reference, peer, signal) {
      try {
        return await lookUp(reference, [peer], signal);
      } catch (error) {
        if (error instanceof ImageError) return troubleOf(error);
        throw error;
      }
    },
    reviewAll() {
      for (const app of apps.list()) if (isDue(app)) worker.add(keyOf(app));
    },
    async close() {
      unsubscribe();
      await worker.close();
    },
  };
}

function pinnedOf(app: RemoteApp): PinnedImages {
  return readPinned(app.metadata.annotations?.[imageDigestsAnnotation]);
}

function missing(app: RemoteApp): string[] {
  const pinned = pinnedOf(app);
  return imagesOf(app.spec).filter((image) => digestOf(image, app.spec.restartedAt ?? "", pinned) === undefined);
}

function troubleOf({ failure, message }: ImageError): ImageTrouble {
  const reason = failure === "denied" ? "ImageDenied" : failure === "not-found" ? "ImageUnknown" : "ImageUnavailable";
  return { reason, message };
}
