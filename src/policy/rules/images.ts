/** Rules about which images may run. References are normalised first, so that no other way to write one passes by a rule. */
import { formatImage, parseImage } from "../image.ts";
import { allowsImage, deniesImage, type ImagePattern } from "../image-pattern.ts";
import type { Finding, Question } from "./question.ts";

/** What no container runtime understands cannot be judged either. */
export function areImagesReferences({ demand: { containers } }: Question): readonly Finding[] {
  return containers.flatMap(({ path, image }) => {
    if (parseImage(image)) return [];
    const message = `${JSON.stringify(image)} is no image reference, such as registry.example.org/shop/web:1`;
    return [finding("images/invalid", path, message, image)];
  });
}

export function areImagesDenied({ demand: { containers }, context: { policy } }: Question): readonly Finding[] {
  return containers.flatMap(({ path, image: reference }) => {
    const image = parseImage(reference);
    const by = image && policy.deniedImages.find((pattern) => deniesImage(pattern, image));
    if (!image || !by) return [];
    const asked = formatImage(image);
    return [finding("images/denied", path, `images like ${by.text} are denied here, and ${asked} is one`, asked)];
  });
}

export function areImagesAllowed({ demand: { containers }, context: { policy } }: Question): readonly Finding[] {
  if (policy.images.length === 0) return [];
  return containers.flatMap(({ path, image: reference }) => {
    const image = parseImage(reference);
    if (!image || policy.images.some((pattern) => allowsImage(pattern, image))) return [];
    const asked = formatImage(image);
    const allowed = listed(policy.images);
    const message = `${asked} is none of the images that are allowed here: ${allowed}`;
    return [finding("images/not-allowed", path, message, asked, allowed)];
  });
}

export function areImagesPinned({ demand: { containers }, context: { policy } }: Question): readonly Finding[] {
  if (!policy.requireDigest) return [];
  return containers.flatMap(({ path, image: reference }) => {
    const image = parseImage(reference);
    if (!image || image.digest !== undefined) return [];
    const asked = formatImage(image);
    const allowed = `${image.registry}/${image.repository}@sha256:…`;
    const message = `images must be named by their digest here, as in ${allowed}, and ${asked} is not`;
    return [finding("images/digest", path, message, asked, allowed)];
  });
}

/** Patterns that an answer names. */
const mostNamed = 8;

function listed(patterns: readonly ImagePattern[]): string {
  const named = patterns.slice(0, mostNamed).map(({ text }) => text);
  const more = patterns.length - named.length;
  return more > 0 ? `${named.join(", ")} and ${more} more` : named.join(", ");
}

function finding(rule: string, path: string, message: string, asked: string, allowed?: string): Finding {
  return { rule, field: `${path}image`, message, asked, ...(allowed === undefined ? {} : { allowed }) };
}
