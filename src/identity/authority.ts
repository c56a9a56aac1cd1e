import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { SecretText } from "../base/secret-text.ts";
import { issueCertificate } from "./certificate.ts";
import { IdentityError } from "./error.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import type { StoredIdentity } from "./store.ts";

/** An agent's CA, ready to sign. */
export interface Authority {
  readonly fingerprint: Fingerprint;
  readonly certPem: string;
  readonly subject: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** RFC 5280 §4.1.2.5: the date of a certificate that has no good end. The pin is on the key, which is replaced by hand. */
const noExpiry = new Date("9999-12-31T23:59:59Z");

/** Backdating, of the CA as of each leaf: a peer's clock may be this much behind ours. Milliseconds. */
export const backdatingMs = 3_600_000;

/** A new CA with a new P-256 key. */
export function makeAuthority(nowMs: number): StoredIdentity {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = subjectOf(fingerprintOf(publicKey));
  const notBefore = new Date(nowMs - backdatingMs);
  const caCertPem = issueCertificate(
    { subject, issuer: subject, publicKey, notBefore, notAfter: noExpiry, role: { ca: true } },
    privateKey,
    publicKey,
  );
  return { caCertPem, caKeyPem: new SecretText(privateKey.export({ type: "pkcs8", format: "pem" }).toString()) };
}

/**
 * Reads what a store held. Throws `IdentityError` when it does not parse, or when key and certificate are not a pair: a
 * damaged identity is mended by a person, never replaced by us, because every peer would lose this agent.
 */
export function readAuthority(stored: StoredIdentity): Authority {
  let certificate: X509Certificate;
  let privateKey: KeyObject;
  try {
    certificate = new X509Certificate(stored.caCertPem);
    privateKey = createPrivateKey(stored.caKeyPem.reveal());
  } catch (cause) {
    throw damaged("its certificate or key cannot be read", cause);
  }
  const { publicKey } = certificate;
  if (publicKey.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw damaged("its key is not an EC key on P-256");
  if (!certificate.checkPrivateKey(privateKey)) throw damaged("its private key does not belong to its certificate");
  if (!certificate.ca || !certificate.verify(publicKey)) throw damaged("its certificate is not a self-signed CA");
  const fingerprint = fingerprintOf(publicKey);
  return { fingerprint, certPem: certificate.toString(), subject: subjectOf(fingerprint), privateKey, publicKey };
}

function subjectOf(fingerprint: Fingerprint): string {
  return `fairlead ${fingerprint.slice(0, 32)}`;
}

function damaged(what: string, cause?: unknown): IdentityError {
  return new IdentityError(
    `The stored identity of this agent is damaged: ${what}. Restore it from a backup. To start anew, delete it by hand; every peer must then be paired again.`,
    cause === undefined ? undefined : { cause },
  );
}
