import { generateKeyPairSync } from "node:crypto";
import { SecretText } from "../base/secret-text.ts";
import { type Authority, backdatingMs } from "./authority.ts";
import { issueCertificate, type KeyPurpose, type SubjectName } from "./certificate.ts";

/** What an agent shows in a TLS handshake. */
export interface Leaf {
  /** The leaf, then the CA that signed it; PEM. */
  readonly certPem: string;
  /** PKCS#8 PEM. */
  readonly keyPem: SecretText;
  readonly issuedAt: Date;
  readonly notAfter: Date;
}

/** A leaf with a key of its own, valid from one hour ago until `lifetimeMs` from now, for both ends of a connection. */
export function issueLeaf(authority: Authority, nowMs: number, lifetimeMs: number): Leaf {
  return issue(authority, nowMs, lifetimeMs, {
    purposes: ["serverAuth", "clientAuth"],
    names: [{ uri: `fairlead:agent:${authority.fingerprint}` }],
  });
}

/** The same for a server that programs find by one of these names. It has not the agent's own name, by which peers know it. */
export function issueServerLeaf(
  authority: Authority,
  names: readonly SubjectName[],
  nowMs: number,
  lifetimeMs: number,
): Leaf {
  return issue(authority, nowMs, lifetimeMs, { purposes: ["serverAuth"], names });
}

function issue(
  authority: Authority,
  nowMs: number,
  lifetimeMs: number,
  role: { purposes: readonly KeyPurpose[]; names: readonly SubjectName[] },
): Leaf {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const notAfter = new Date(nowMs + lifetimeMs);
  const certificate = issueCertificate(
    {
      subject: `${authority.subject} leaf`,
      issuer: authority.subject,
      publicKey,
      notBefore: new Date(nowMs - backdatingMs),
      notAfter,
      role: { ca: false, ...role },
    },
    authority.privateKey,
    authority.publicKey,
  );
  return {
    certPem: certificate + authority.certPem,
    keyPem: new SecretText(privateKey.export({ type: "pkcs8", format: "pem" }).toString()),
    issuedAt: new Date(nowMs),
    notAfter,
  };
}
