/** Certificates as honest agents and attackers make them, for the tests of identity and link. */
import { generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { type Authority, makeAuthority, readAuthority } from "../../src/identity/authority.ts";
import { issueCertificate, type KeyPurpose, type SubjectName } from "../../src/identity/certificate.ts";

export const hourMs = 3_600_000;

export interface ForgedLeaf {
  readonly pem: string;
  readonly der: Buffer;
  readonly keyPem: string;
}

export function newAuthority(nowMs: number): Authority {
  return readAuthority(makeAuthority(nowMs));
}

/** A leaf signed by `authority`, valid from an hour before `nowMs` for a day, with whatever differs from an honest one. */
export function newLeaf(
  authority: Pick<Authority, "subject" | "privateKey" | "publicKey">,
  nowMs: number,
  differences: {
    purposes?: readonly KeyPurpose[];
    notBefore?: Date;
    notAfter?: Date;
    issuer?: string;
    ca?: true;
    names?: readonly SubjectName[];
    keys?: { privateKey: KeyObject; publicKey: KeyObject };
  } = {},
): ForgedLeaf {
  const { privateKey, publicKey } = differences.keys ?? generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = issueCertificate(
    {
      subject: `${authority.subject} leaf`,
      issuer: differences.issuer ?? authority.subject,
      publicKey,
      notBefore: differences.notBefore ?? new Date(nowMs - hourMs),
      notAfter: differences.notAfter ?? new Date(nowMs + 24 * hourMs),
      role: differences.ca
        ? { ca: true }
        : {
            ca: false,
            purposes: differences.purposes ?? ["serverAuth", "clientAuth"],
            names: differences.names ?? [{ uri: "fairlead:agent:test" }],
          },
    },
    authority.privateKey,
    authority.publicKey,
  );
  return { pem, der: derOf(pem), keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

/** A self-signed CA of an attacker's that bears the names of `victim`. */
export function twinOf(victim: Authority, nowMs: number): Authority {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certPem = issueCertificate(
    {
      subject: victim.subject,
      issuer: victim.subject,
      publicKey,
      notBefore: new Date(nowMs - hourMs),
      notAfter: new Date(nowMs + 9999 * hourMs),
      role: { ca: true },
    },
    privateKey,
    // The victim's key identifier, so that nothing but the key itself tells the two apart.
    victim.publicKey,
  );
  return { fingerprint: "", certPem, subject: victim.subject, privateKey, publicKey };
}

export function derOf(pem: string): Buffer {
  return new X509Certificate(pem).raw;
}

/** The certificates of a PEM bundle, as DER. */
export function chainOf(pem: string): Buffer[] {
  return pem.split(/(?=-----BEGIN)/).map(derOf);
}
