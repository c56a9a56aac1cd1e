/**
 * What a sign-in at a provider has to remember meanwhile, in a cookie of the browser that began it: sealed by a key of this process,
 * so that nothing is kept here for strangers, however many begin.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { isJsonObject } from "../../kube/object.ts";
import type { Pending } from "./provider.ts";

export interface PendingSignIn extends Pending {
  /** A path of the console, to which the browser goes in the end. */
  readonly landing: string;
}

export interface PendingCookies {
  seal(pending: PendingSignIn): string;
  /** Undefined for what was not sealed here, or too long ago. */
  open(sealed: string): PendingSignIn | undefined;
}

/** For so long somebody may take to prove to the provider who they are, in milliseconds. */
export const pendingMs = 600_000;

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** A restart ends what is under way: it begins anew. */
export function createPendingCookies(clock: { now(): number }): PendingCookies {
  const key = randomBytes(32);
  return {
    seal(pending) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, key, nonce);
      const text = JSON.stringify({ ...pending, expires: clock.now() + pendingMs });
      const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64url");
    },

    open(text) {
      const bytes = Buffer.from(text, "base64url");
      if (bytes.length <= nonceBytes + tagBytes) return undefined;
      const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
      decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      try {
        const opened = Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]);
        const said: unknown = JSON.parse(opened.toString("utf8"));
        return isPending(said) && said.expires > clock.now() ? said : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

/** Only this process can have sealed it; what is looked at is that it was this version of it. */
function isPending(said: unknown): said is PendingSignIn & { readonly expires: number } {
  if (!isJsonObject(said) || typeof said.expires !== "number") return false;
  return ["state", "nonce", "verifier", "redirectUri", "landing"].every((name) => typeof said[name] === "string");
}
