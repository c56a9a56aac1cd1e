import { createHash, type KeyObject } from "node:crypto";

/**
 * Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo of an agent's CA: 64 characters. It is the one name of an agent
 * on the wire, and what an invite pins.
 */
export type Fingerprint = string;

/** The fingerprint of a CA, by its public key. */
export function fingerprintOf(caPublicKey: KeyObject): Fingerprint {
  return createHash("sha256")
    .update(caPublicKey.export({ type: "spki", format: "der" }))
    .digest("hex");
}

/** Whether a text that somebody typed or sent has the form of a fingerprint. */
export function isFingerprint(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
