/**
 * Writes X.509 certificates (RFC 5280), v3, ECDSA with SHA-256. node-forge encodes the DER and nothing more: keys and
 * signatures come from node:crypto, and no byte from a peer ever reaches forge.
 */
import { createHash, type KeyObject, randomBytes, sign } from "node:crypto";
import forge from "node-forge";

const { asn1 } = forge;
const { Class, Type } = asn1;

export type KeyPurpose = "clientAuth" | "serverAuth";

/** Object identifiers of RFC 5280 §4.2.1.12, as node:crypto names them in `X509Certificate.keyUsage`. */
export const keyPurposeOids: Readonly<Record<KeyPurpose, string>> = {
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
};

const oids = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extKeyUsage: "2.5.29.37",
};

/** Bits of KeyUsage (RFC 5280 §4.2.1.3) in its one byte, with the count of unused low bits before it. */
const keyUsage = { digitalSignature: "\x07\x80", keyCertSignAndCrlSign: "\x01\x06" };

/** One subject alternative name: text in ASCII, or an address as its 4 or 16 bytes. */
export type SubjectName = { readonly uri: string } | { readonly dns: string } | { readonly ip: Uint8Array };

export interface CertificateRequest {
  readonly subject: string;
  readonly issuer: string;
  /** The key that the certificate is about. */
  readonly publicKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** What the key may do: sign certificates, or prove who is at an end of a connection. */
  readonly role: { ca: true } | { ca: false; purposes: readonly KeyPurpose[]; names: readonly SubjectName[] };
}

/** The certificate as PEM, signed by `issuerKey` (P-256, private). For a CA that is the key pair of the request itself. */
export function issueCertificate(
  request: CertificateRequest,
  issuerKey: KeyObject,
  issuerPublicKey: KeyObject,
): string {
  const algorithm = sequence(oid(oids.ecdsaWithSha256));
  const toBeSigned = sequence(
    asn1.create(Class.CONTEXT_SPECIFIC, 0, true, [integer("\x02")]),
    integer(serialNumber()),
    algorithm,
    name(request.issuer),
    sequence(time(request.notBefore), time(request.notAfter)),
    name(request.subject),
    publicKeyInfo(request.publicKey),
    asn1.create(Class.CONTEXT_SPECIFIC, 3, true, [sequence(...extensions(request, issuerPublicKey))]),
  );
  const signature = sign("sha256", toDer(toBeSigned), issuerKey);
  const der = toDer(sequence(toBeSigned, algorithm, bitString(signature)));
  return `-----BEGIN CERTIFICATE-----\n${der.toString("base64").replace(/(.{64})(?=.)/g, "$1\n")}\n-----END CERTIFICATE-----\n`;
}

function extensions(request: CertificateRequest, issuerPublicKey: KeyObject): forge.asn1.Asn1[] {
  const { role } = request;
  const common = [
    extension(oids.subjectKeyIdentifier, false, octetString(keyIdentifier(request.publicKey))),
    extension(
      oids.authorityKeyIdentifier,
      false,
      sequence(asn1.create(Class.CONTEXT_SPECIFIC, 0, false, keyIdentifier(issuerPublicKey))),
    ),
  ];
  if (role.ca) {
    // No certificate may stand between this CA and a leaf, hence a path length of 0.
    return [
      extension(oids.basicConstraints, true, sequence(boolean(true), integer("\x00"))),
      extension(oids.keyUsage, true, primitive(Type.BITSTRING, keyUsage.keyCertSignAndCrlSign)),
      ...common,
    ];
  }
  return [
    extension(oids.basicConstraints, true, sequence()),
    extension(oids.keyUsage, true, primitive(Type.BITSTRING, keyUsage.digitalSignature)),
    extension(oids.extKeyUsage, false, sequence(...role.purposes.map((purpose) => oid(keyPurposeOids[purpose])))),
    extension(oids.subjectAltName, false, sequence(...role.names.map(alternativeName))),
    ...common,
  ];
}

/** GeneralName of RFC 5280 §4.2.1.6: [2] is a DNS name, [6] a URI, [7] an address. */
function alternativeName(name: SubjectName): forge.asn1.Asn1 {
  if ("ip" in name) return asn1.create(Class.CONTEXT_SPECIFIC, 7, false, Buffer.from(name.ip).toString("latin1"));
  return "dns" in name
    ? asn1.create(Class.CONTEXT_SPECIFIC, 2, false, name.dns)
    : asn1.create(Class.CONTEXT_SPECIFIC, 6, false, name.uri);
}

/** 127 random bits, positive and without a leading zero byte, so that the encoding is DER as it stands. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("latin1");
}

/** The first 160 bits of the key's SHA-256; any value that is unique would do (RFC 5280 §4.2.1.2). */
function keyIdentifier(key: KeyObject): string {
  const info = key.export({ type: "spki", format: "der" });
  return createHash("sha256").update(info).digest().subarray(0, 20).toString("latin1");
}

/** RFC 5280 §4.1.2.5: two-digit years through 2049, four-digit ones from 2050. */
function time(date: Date): forge.asn1.Asn1 {
  return date.getUTCFullYear() < 2050
    ? primitive(Type.UTCTIME, asn1.dateToUtcTime(date).toString())
    : primitive(Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date).toString());
}

function name(commonName: string): forge.asn1.Asn1 {
  const attribute = sequence(oid(oids.commonName), primitive(Type.UTF8, Buffer.from(commonName).toString("latin1")));
  return sequence(asn1.create(Class.UNIVERSAL, Type.SET, true, [attribute]));
}

function publicKeyInfo(key: KeyObject): forge.asn1.Asn1 {
  return asn1.fromDer(key.export({ type: "spki", format: "der" }).toString("latin1"));
}

function extension(id: string, critical: boolean, value: forge.asn1.Asn1): forge.asn1.Asn1 {
  const content = primitive(Type.OCTETSTRING, toDer(value).toString("latin1"));
  return critical ? sequence(oid(id), boolean(true), content) : sequence(oid(id), content);
}

function sequence(...values: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, values);
}

/** `bytes` is a binary string: forge keeps DER contents so. */
function primitive(type: forge.asn1.Type, bytes: string): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, type, false, bytes);
}

function oid(id: string): forge.asn1.Asn1 {
  return primitive(Type.OID, asn1.oidToDer(id).getBytes());
}

function integer(bytes: string): forge.asn1.Asn1 {
  return primitive(Type.INTEGER, bytes);
}

function boolean(value: boolean): forge.asn1.Asn1 {
  return primitive(Type.BOOLEAN, value ? "\xff" : "\x00");
}

function octetString(bytes: string): forge.asn1.Asn1 {
  return primitive(Type.OCTETSTRING, bytes);
}

function bitString(bytes: Buffer): forge.asn1.Asn1 {
  return primitive(Type.BITSTRING, `\x00${bytes.toString("latin1")}`);
}

function toDer(value: forge.asn1.Asn1): Buffer {
  return Buffer.from(asn1.toDer(value).getBytes(), "latin1");
}
