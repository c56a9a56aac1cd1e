/** Texts in the data of a Secret. Pure. */
import type { Secret } from "../kube/resources.ts";

export function encodeData(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
}

/** Undefined when there is no such key, or nothing in it. */
export function decodeData(secret: Pick<Secret, "data">, key: string): string | undefined {
  const data = secret.data?.[key];
  return data === undefined || data === "" ? undefined : Buffer.from(data, "base64").toString();
}
