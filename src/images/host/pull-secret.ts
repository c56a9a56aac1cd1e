/**
 * What lets a node pull for one peer and for nobody else: a password that follows from this agent's own key and the peer's
 * fingerprint, so that nothing has to be kept, and every restart knows it again.
 */
import { createHash, createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import { SecretText } from "../../base/secret-text.ts";

export interface PullTenant {
  readonly peer: string;
  readonly fingerprint: string;
}

export interface PullPasswords {
  of(tenant: PullTenant): SecretText;
  /** The content of a Secret of the type kubernetes.io/dockerconfigjson by which pods of the tenant pull from `door`. */
  configFor(door: string, tenant: PullTenant): SecretText;
  /**
   * Who shows this header (`Authorization`), by our name for the peer; undefined for nobody. It takes as long whatever is
   * wrong about it.
   */
  whoIs(header: string | undefined, fingerprintOf: (peer: string) => string | undefined): string | undefined;
}

/** `key` is this agent's own for this purpose. */
export function createPullPasswords(key: KeyObject): PullPasswords {
  function of({ peer, fingerprint }: PullTenant): SecretText {
    const text = JSON.stringify([peer, fingerprint]);
    return new SecretText(createHmac("sha256", key).update(text).digest("base64url"));
  }

  return {
    of,
    configFor(door, tenant) {
      const [username, password] = [tenant.peer, of(tenant).reveal()];
      const auth = Buffer.from(`${username}:${password}`).toString("base64");
      return new SecretText(JSON.stringify({ auths: { [door]: { username, password, auth } } }));
    },
    whoIs(header, fingerprintOf) {
      const [, encoded = ""] = /^Basic ([A-Za-z0-9+/=]{1,512})$/i.exec(header ?? "") ?? [];
      const text = Buffer.from(encoded, "base64").toString();
      const colon = text.indexOf(":");
      const peer = text.slice(0, Math.max(0, colon));
      const fingerprint = fingerprintOf(peer);
      const expected = of({ peer, fingerprint: fingerprint ?? "" }).reveal();
      const isRight = isSame(text.slice(colon + 1), expected);
      return isRight && fingerprint !== undefined && colon > 0 ? peer : undefined;
    },
  };
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
