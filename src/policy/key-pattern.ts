/** Patterns of the keys of labels, annotations and taints, as a PeerPolicy writes them. Pure. */
import { type Glob, matchesGlob, parseGlob } from "./glob.ts";

export interface KeyPattern {
  /** As it was written. */
  readonly text: string;
  readonly key: Glob;
  /** Only this value; any when it is missing. */
  readonly value?: string;
}

/** A star stands for anything but a slash, two for anything. */
const keyText = /^[\w*][-\w.*]{0,252}(?:\/[\w*][-\w.*]{0,62})?$/;
const valueText = /^[-\w.]{0,63}$/;

export function parseKeyPattern(text: string): KeyPattern | undefined {
  return keyText.test(text) ? { text, key: parseGlob(text) } : undefined;
}

/** A key, or a key and the value that alone is meant, such as `example.org/pool=guests`. */
export function parseTaintPattern(text: string): KeyPattern | undefined {
  const [key = "", value, ...more] = text.split("=");
  if (!keyText.test(key) || more.length > 0) return undefined;
  if (value === undefined) return { text, key: parseGlob(key) };
  return valueText.test(value) ? { text, key: parseGlob(key), value } : undefined;
}

export function matchesKey(patterns: readonly KeyPattern[], key: string): boolean {
  return patterns.some((pattern) => matchesGlob(pattern.key, key));
}

/** `value` is missing for a toleration of each value of the key. */
export function matchesTaint(patterns: readonly KeyPattern[], key: string, value: string | undefined): boolean {
  return patterns.some(
    (pattern) => matchesGlob(pattern.key, key) && (pattern.value === undefined || pattern.value === value),
  );
}

/** For an answer. */
export function listed(patterns: readonly KeyPattern[]): string {
  const named = patterns.slice(0, mostNamed).map(({ text }) => text);
  const more = patterns.length - named.length;
  return more > 0 ? `${named.join(", ")} and ${more} more` : named.join(", ");
}

/** Patterns that an answer names. */
const mostNamed = 8;
