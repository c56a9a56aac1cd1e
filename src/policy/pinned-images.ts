/**
 * The images of an app that come through its origin, and what they stand for. Pure. The origin looks a tag up once, keeps what it found in
 * an annotation of the RemoteApp, and says it to the host in the reference itself: `registry.example.org/shop/web:1@sha256:…`.
 */
import type { RemoteAppSpec } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { JsonObject } from "../kube/object.ts";
import { isJsonObject } from "../kube/object.ts";
import { isDigest, parseImage } from "./image.ts";

/** On a RemoteApp: what its images stand for. */
export const imageDigestsAnnotation = "fairlead.dev/image-digests";

/** Among the features that an agent says of itself: its cluster's nodes can pull what peers bring along. */
export const imagesFeature = "images";

/** By reference as the spec has it, the digest. */
export interface PinnedImages {
  /** The spec's `restartedAt` when they were looked up: a restart looks anew. */
  readonly restartedAt: string;
  readonly digests: Readonly<Record<string, string>>;
}

/** Whether the app's images come through its origin. */
export function isPulledThrough({ imagePull }: Pick<RemoteAppSpec, "imagePull">): boolean {
  return imagePull === "ThroughOrigin";
}

/** Of all containers, each once, as they are written. */
export function imagesOf(app: Pick<RemoteAppSpec, "image" | "containers" | "initContainers">): string[] {
  const others = [...app.initContainers, ...app.containers].map(({ image }) => image);
  return [...new Set([app.image, ...others].filter((image) => typeof image === "string"))];
}

/** What the annotation says, as far as it can be believed: people may edit it. */
export function readPinned(text: string | undefined): PinnedImages {
  let json: unknown;
  try {
    json = JSON.parse(text ?? "{}");
  } catch {
    json = {};
  }
  const { restartedAt = "", digests } = isJsonObject(json) ? json : {};
  const known = Object.entries(isJsonObject(digests) ? digests : {}).flatMap(([image, digest]) =>
    typeof digest === "string" && isDigest(digest) ? [[image, digest] as const] : [],
  );
  return { restartedAt: typeof restartedAt === "string" ? restartedAt : "", digests: Object.fromEntries(known) };
}

export function writePinned(pinned: PinnedImages): string {
  const { restartedAt, digests } = pinned;
  return JSON.stringify({ ...(restartedAt === "" ? {} : { restartedAt }), digests });
}

/** The digest that the reference has itself, or that was looked up for it; undefined when there is none yet. */
export function digestOf(image: string, restartedAt: string, pinned: PinnedImages): string | undefined {
  const own = parseImage(image)?.digest;
  if (own !== undefined) return own;
  if (pinned.restartedAt !== restartedAt) return undefined;
  return Object.hasOwn(pinned.digests, image) ? pinned.digests[image] : undefined;
}

/** The spec as it goes to the host, with a digest in each reference; undefined while one is missing. */
export function pinSpec(spec: JsonObject, pinned: PinnedImages): JsonObject | undefined {
  const restartedAt = typeof spec.restartedAt === "string" ? spec.restartedAt : "";
  let isWhole = true;
  const pin = (image: unknown): string | undefined => {
    if (typeof image !== "string") return undefined;
    const digest = digestOf(image, restartedAt, pinned);
    if (digest === undefined) isWhole = false;
    return image.includes("@") || digest === undefined ? image : `${image}@${digest}`;
  };
  const pinAll = (containers: unknown) =>
    Array.isArray(containers)
      ? containers.map((one) => (isJsonObject(one) && "image" in one ? { ...one, image: pin(one.image) ?? "" } : one))
      : [];
  const result: JsonObject = {
    ...spec,
    ...("image" in spec ? { image: pin(spec.image) ?? "" } : {}),
    ...("containers" in spec ? { containers: pinAll(spec.containers) } : {}),
    ...("initContainers" in spec ? { initContainers: pinAll(spec.initContainers) } : {}),
  };
  return isWhole ? result : undefined;
}
