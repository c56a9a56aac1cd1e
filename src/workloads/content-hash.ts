/** What shows that a content is another than before, to those alone who have the key. Pure. */
import { createHmac, type KeyObject } from "node:crypto";
import type { Attachment } from "../intent/wish.ts";

/**
 * HMAC-SHA-256, in lower-case hex, of what an attachment is and holds. A plain hash would let whoever reads it try which of
 * a thousand passwords it is of.
 */
export type ContentHash = (attachment: Attachment) => string;

export function createContentHash(key: KeyObject): ContentHash {
  return ({ kind, name, type, content }) => {
    const hmac = createHmac("sha256", key);
    // Each part with its length before it, so that no two contents are the same bytes.
    const add = (part: string | Uint8Array): void => {
      const bytes = typeof part === "string" ? Buffer.from(part) : part;
      hmac.update(`${bytes.length}:`).update(bytes);
    };
    for (const part of [kind, name, type]) add(part);
    const data = content.reveal();
    for (const name of content.keys()) {
      add(name);
      add(data[name] ?? "");
    }
    return hmac.digest("hex");
  };
}
