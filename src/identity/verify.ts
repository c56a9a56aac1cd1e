/**
 * Decides who a certificate chain is. Node's own answers (`authorized`, `issuerCertificate`, `checkIssued`) go by names
 * and by what the chain contains, and an attacker who appends the victim's CA to a chain of his own fools them. Here
 * the leaf's signature must verify under the key of the CA, and the CA's key is its name.
 */
import { type KeyObject, X509Certificate } from "node:crypto";
import { keyPurposeOids } from "./certificate.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";

/** Whom we expect: one agent, or, with no pin, whoever it is (a guest; the answer says who). */
export interface Pin {
  readonly fingerprint?: Fingerprint;
}

export type Verdict =
  | {
      readonly ok: true;
      readonly fingerprint: Fingerprint;
      /** The CA's certificate, PEM. */
      readonly caPem: string;
      /** When the leaf runs out. */
      readonly notAfter: Date;
    }
  | { readonly ok: false; readonly reason: string };

/** Certificates that are looked at, leaf included. An honest chain has two. */
const longestChain = 4;

/** Largest certificate that is parsed, in bytes. Ours have about 500. */
const largestCertificate = 4096;

/**
 * Whether `chain` (DER, leaf first) was issued by the pinned CA, is in date at `now` (bounds included) and may act as `usage`. With no pin, the
 * CA is the chain's second certificate, and the chain must be consistent by itself. The handshake has proved
 * possession of the leaf's key; that is not looked at here. The CA's own dates are not either: its key is pinned, and
 * ends by being replaced. Pure; never throws, whatever the bytes.
 */
export function verifyPeer(chain: readonly Uint8Array[], pin: Pin, now: Date, usage: "client" | "server"): Verdict {
  if (chain.length > longestChain)
    return refuse(`its chain has ${chain.length} certificates, more than ${longestChain}`);
  const certificates = chain.map(parse);
  const leaf = certificates[0];
  if (!leaf) return refuse(chain.length === 0 ? "it showed no certificate" : "its certificate cannot be read");

  const authority = findAuthority(certificates, pin);
  if (!authority) {
    return refuse(
      pin.fingerprint === undefined
        ? "its chain has no CA certificate, or one that is not an EC key on P-256"
        : `it is not the agent with the fingerprint ${pin.fingerprint}: its chain does not have that CA`,
    );
  }
  const { certificate: ca, key, fingerprint } = authority;
  if (!isP256(leaf.publicKey)) return refuse("its key is not an EC key on P-256");
  if (leaf.ca) return refuse("it showed a CA certificate as its own");
  if (!signedBy(leaf, key)) return refuse("its certificate was not signed by the CA that its chain names");
  if (!ca.ca || !leaf.checkIssued(ca))
    return refuse("its CA certificate is not one that may have issued its certificate");

  const notBefore = leaf.validFromDate;
  const notAfter = leaf.validToDate;
  if (!(now >= notBefore))
    return refuse(`its certificate is valid only from ${iso(notBefore)}; here it is ${iso(now)}: compare the clocks`);
  if (!(now <= notAfter))
    return refuse(`its certificate expired at ${iso(notAfter)}; here it is ${iso(now)}: compare the clocks`);
  const purpose = usage === "client" ? "clientAuth" : "serverAuth";
  if (!leaf.keyUsage?.includes(keyPurposeOids[purpose])) return refuse(`its certificate is not meant for ${purpose}`);
  return { ok: true, fingerprint, caPem: ca.toString(), notAfter };
}

interface FoundAuthority {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
  readonly fingerprint: Fingerprint;
}

function findAuthority(certificates: readonly (X509Certificate | undefined)[], pin: Pin): FoundAuthority | undefined {
  const candidates = pin.fingerprint === undefined ? certificates.slice(1, 2) : certificates.slice(1);
  for (const certificate of candidates) {
    const key = certificate?.publicKey;
    if (!certificate || !key || !isP256(key)) continue;
    const fingerprint = fingerprintOf(key);
    if (pin.fingerprint === undefined || fingerprint === pin.fingerprint) return { certificate, key, fingerprint };
  }
  return undefined;
}

/** Undefined for whatever OpenSSL cannot read, also where it reads the frame and then fails on the key inside. */
function parse(der: Uint8Array): X509Certificate | undefined {
  if (der.length > largestCertificate) return undefined;
  try {
    const certificate = new X509Certificate(der);
    // The key is parsed on first use, which throws for kinds of keys and curves that OpenSSL does not know.
    return certificate.publicKey ? certificate : undefined;
  } catch {
    return undefined;
  }
}

/** The one kind of key we make. Others would let a stranger choose how much work a check costs. */
function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1";
}

function signedBy(leaf: X509Certificate, caKey: KeyObject): boolean {
  try {
    return leaf.verify(caKey);
  } catch {
    return false;
  }
}

/** Dates in a certificate may be nonsense, of which `toISOString` would throw. */
function iso(date: Date): string {
  return Number.isNaN(date.getTime()) ? "an unreadable date" : date.toISOString();
}

function refuse(reason: string): Verdict {
  return { ok: false, reason };
}
