/** Patterns of image references, as a PeerPolicy writes them. Pure. */

import { type Glob, matchesGlob, parseGlob } from "./glob.ts";
import type { Image } from "./image.ts";
import { isDigest, isRegistry, placeOf, splitTag } from "./image.ts";

export interface ImagePattern {
  /** As it was written. */
  readonly text: string;
  readonly registry: Glob;
  readonly repository: Glob;
  /** Any tag, and none, when it is missing. */
  readonly tag?: Glob;
  readonly digest?: string;
}

/** Characters that may stand in a path or a registry, beside `*`. */
const placeText = /^[a-z0-9._*/-]+$/;
const tagText = /^[\w.*-]{1,128}$/;

/** Undefined for what is no pattern. */
export function parsePattern(text: string): ImagePattern | undefined {
  if (text.length > 512) return undefined;
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) return undefined;
  const { name, tag } = splitTag(at < 0 ? text : text.slice(0, at));
  if (tag !== undefined && !tagText.test(tag)) return undefined;
  const place = patternPlace(name);
  if (!place || !placeText.test(place.repository) || !isPatternRegistry(place.registry)) return undefined;
  if (place.repository.split("/").includes("")) return undefined;
  return {
    text,
    registry: parseGlob(place.registry),
    repository: parseGlob(place.repository),
    ...(tag === undefined ? {} : { tag: parseGlob(tag) }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** `**` alone, or in front, may stand for a registry too. */
function patternPlace(name: string): { registry: string; repository: string } | undefined {
  if (name === "**") return { registry: "**", repository: "**" };
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  // No user's name at Docker has a star: who writes `*/nginx` or `**/nginx` means any registry.
  if (first === "*" || first === "**")
    return { registry: "**", repository: first === "**" ? `**` : name.slice(slash + 1) };
  return placeOf(name);
}

function isPatternRegistry(text: string): boolean {
  return text === "**" || isRegistry(text.replaceAll("*", "x"));
}

export function matchesImage(pattern: ImagePattern, image: Image): boolean {
  if (!matchesGlob(pattern.registry, image.registry) || !matchesGlob(pattern.repository, image.repository))
    return false;
  if (pattern.digest !== undefined && pattern.digest !== image.digest) return false;
  return pattern.tag === undefined || (image.tag !== undefined && matchesGlob(pattern.tag, image.tag));
}
