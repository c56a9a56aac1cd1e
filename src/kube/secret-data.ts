/** Texts in the data of a Secret. Pure. */
import type { Secret } from "./resources.ts";

export function encodeData(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
}

/** Undefined when there is no such key. */
export function decodeData(secret: Pick<Secret, "data">, key: string): string | undefined {
  const data = secret.data?.[key];
  return data === undefined ? undefined : Buffer.from(data, "base64").toString();
}
