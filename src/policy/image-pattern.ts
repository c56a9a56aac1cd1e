/** Patterns of image references, as a PeerPolicy writes them. Pure. */
import { type Glob, matchesGlob, parseGlob } from "./glob.ts";
import { type Image, isDigest, isRegistry, placeOf, splitTag } from "./image.ts";

export interface ImagePattern {
  /** As it was written. */
  readonly text: string;
  /** Of registry and path, as `placeText` writes them. */
  readonly place: Glob;
  /** It begins with `**` and is about all registries. */
  readonly isAnywhere: boolean;
  /** Any tag, and none, when it is missing. */
  readonly tag?: Glob;
  readonly digest?: string;
}

const mostChars = 512;
const pathPart = /^[a-z0-9._*-]+$/;
const tagName = /^[\w.*-]{1,128}$/;

/**
 * Undefined for what is no pattern. It is completed as a reference is, so that `nginx` and `*` mean images of Docker's library
 * and `shop/*` those of a user there; only a pattern that begins with `**` is about all registries. In a registry's name a star
 * stands for one whole part between dots, so that `*.example.org` never means `example.org.evil.net`.
 */
export function parsePattern(text: string): ImagePattern | undefined {
  if (text.length > mostChars) return undefined;
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) return undefined;
  const { name, tag } = splitTag(at < 0 ? text : text.slice(0, at));
  if (tag !== undefined && !tagName.test(tag)) return undefined;
  const place = parsePlace(name);
  if (!place) return undefined;
  return {
    text,
    place,
    isAnywhere: name.startsWith("**"),
    ...(tag === undefined ? {} : { tag: parseGlob(tag) }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function parsePlace(name: string): Glob | undefined {
  if (name.startsWith("**")) return name.split("/").every((part) => pathPart.test(part)) ? parseGlob(name) : undefined;
  const place = placeOf(name);
  if (!place?.repository.split("/").every((part) => pathPart.test(part))) return undefined;
  if (!place.registry.split(".").every((part) => part === "*" || !part.includes("*"))) return undefined;
  if (!isRegistry(place.registry.replaceAll("*", "x"))) return undefined;
  return parseGlob(placeText(place));
}

/**
 * Whether the pattern lets the image run. With a digest the runtime pays no heed to the tag, so that anybody can write any
 * tag before it: then a pattern of tags does not believe it.
 */
export function allowsImage(pattern: ImagePattern, image: Image): boolean {
  if (!isInPlace(pattern, image)) return false;
  if (pattern.digest !== undefined) return pattern.digest === image.digest;
  if (pattern.tag === undefined) return true;
  return image.digest === undefined && image.tag !== undefined && matchesGlob(pattern.tag, image.tag);
}

/** Whether the pattern keeps the image from running: whatever is in doubt is kept. */
export function deniesImage(pattern: ImagePattern, image: Image): boolean {
  if (!isInPlace(pattern, image)) return false;
  if (pattern.digest !== undefined && pattern.digest === image.digest) return true;
  if (pattern.tag !== undefined) return image.tag !== undefined && matchesGlob(pattern.tag, image.tag);
  return pattern.digest === undefined;
}

/** Registries that answer under several names, by the one that patterns use. */
const aliases: Readonly<Record<string, string>> = {
  "index.docker.io": "docker.io",
  "registry-1.docker.io": "docker.io",
  "registry.hub.docker.com": "docker.io",
};

/** Names of hosts have no case, and 443 is where HTTPS is anyway. */
function hostOf(registry: string): string {
  const host = registry.toLowerCase().replace(/:0*443$/, "");
  return aliases[host] ?? host;
}

/** Where an image is, by the one name that its registry and its repository have among patterns. */
export function placeOfImage(image: Pick<Image, "registry" | "repository">): Pick<Image, "registry" | "repository"> {
  const registry = hostOf(image.registry);
  const isShort = registry === "docker.io" && !image.repository.includes("/");
  return { registry, repository: isShort ? `library/${image.repository}` : image.repository };
}

/** Whether the image is in a place that the pattern names, whatever its tag and digest. */
export function isInPlace({ place, isAnywhere }: ImagePattern, image: Pick<Image, "registry" | "repository">): boolean {
  const { registry, repository } = placeOfImage(image);
  return matchesGlob(place, isAnywhere ? `${registry}/${repository}` : placeText({ registry, repository }));
}

/** The dots of the registry's name become slashes, at which a single star ends; two slashes lead on to the path. */
function placeText({ registry, repository }: Pick<Image, "registry" | "repository">): string {
  return `${hostOf(registry).replaceAll(".", "/")}//${repository}`;
}
