/** API tokens: how one is made, recognised and compared. Pure but for the randomness. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { SecretText } from "../../base/secret-text.ts";
import { audience, readClaims } from "./jwt-claims.ts";

/** So that a token is recognised where it does not belong: in a log, in a repository, in a request for an app. */
const prefix = "flt_";

/** A new token of 256 random bits. */
export function mintToken(): SecretText {
  return new SecretText(prefix + randomBytes(32).toString("base64url"));
}

/** What is kept of a token. A plain hash is enough for what cannot be guessed. */
export function hashToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/** In constant time. */
export function isSameHash(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Whether this looks like one of our tokens, valid or not. */
export function looksLikeToken(text: string): boolean {
  return text.startsWith(prefix);
}

/** Whether this was meant for a console, valid or not: of ours, for one of our doors, or of Kubernetes for this audience. */
export function isForConsole(text: string): boolean {
  return /^fl[tk]_/.test(text) || (readClaims(text)?.audiences.includes(audience) ?? false);
}

/** The token of `Authorization: Bearer …`; undefined for any other scheme. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(authorization ?? "")?.[1];
}
