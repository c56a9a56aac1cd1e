/**
 * How an image is called that comes through the link: in requests from agent to agent, and on a node. Pure. A registry's port
 * would begin a tag, so its colon is written as two underscores, which no host's name has.
 */
import { isDigest, parseImage } from "./image.ts";
import { placeOfImage } from "./image-pattern.ts";

/** Where an image is, normalised. */
export interface PulledPlace {
  readonly registry: string;
  readonly repository: string;
}

/** As the reference implementation bounds a path; characters. */
const mostPathChars = 255;

const encodedRegistry = /^([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?:__([0-9]{1,5}))?$/;

/** Such as `registry.example.org__5000/shop/web`; undefined for a registry that cannot be written so: an address in brackets. */
export function pulledPath(place: PulledPlace): string | undefined {
  const path = `${place.registry.replace(":", "__")}/${place.repository}`;
  const back = readPulledPath(path);
  return back?.registry === place.registry && back.repository === place.repository ? path : undefined;
}

/** Undefined for what is no path that `pulledPath` writes: nothing has two names here. */
export function readPulledPath(path: string): PulledPlace | undefined {
  const slash = path.indexOf("/");
  const [, host, port] = encodedRegistry.exec(path.slice(0, Math.max(0, slash))) ?? [];
  if (host === undefined) return undefined;
  const registry = port === undefined ? host : `${host}:${port}`;
  const repository = path.slice(slash + 1);
  const image = parseImage(`${registry}/${repository}`);
  if (!image || image.digest !== undefined || repository.includes(":")) return undefined;
  const place = placeOfImage(image);
  return place.registry === registry && place.repository === repository ? place : undefined;
}

/**
 * The reference for a pod: `localhost:30500/<peer>/registry.example.org__5000/shop/web@sha256:…`. Undefined for an image without
 * a digest, and for one whose name has no room there.
 */
export function nameOnNode(door: string, peer: string, reference: string): string | undefined {
  const image = parseImage(reference);
  if (image?.digest === undefined || !isDigest(image.digest)) return undefined;
  const path = pulledPath(placeOfImage(image));
  if (path === undefined || peer.length + 1 + path.length > mostPathChars) return undefined;
  return `${door}/${peer}/${path}@${image.digest}`;
}
