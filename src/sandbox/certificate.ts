/**
 * A self-signed certificate for loopback, written by hand in DER: kubectl sends tokens over https only, and Node can
 * read certificates but not make them.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** Valid for `days` from an hour before `nowMs`, for localhost and 127.0.0.1, and its own authority. */
export function selfSignedCertificate(nowMs: number, days = 365): { keyPem: string; certPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const ecdsaWithSha256 = sequence(oid([1, 2, 840, 10045, 4, 3, 2]));
  const name = sequence(set(sequence(oid([2, 5, 4, 3]), tlv(0x0c, Buffer.from("fairlead-sandbox")))));
  const validity = sequence(time(nowMs - 3_600_000), time(nowMs + days * 86_400_000));
  const names = sequence(tlv(0x82, Buffer.from("localhost")), tlv(0x87, Buffer.from([127, 0, 0, 1])));
  const keyId = createHash("sha256").update(spki).digest().subarray(0, 20);
  const extensions = sequence(
    extension([2, 5, 29, 19], sequence(tlv(0x01, Buffer.from([0xff]))), true), // basicConstraints: CA
    extension([2, 5, 29, 15], tlv(0x03, Buffer.from([0x02, 0x84])), true), // keyUsage: digitalSignature, keyCertSign
    extension([2, 5, 29, 37], sequence(oid([1, 3, 6, 1, 5, 5, 7, 3, 1])), false), // extendedKeyUsage: serverAuth
    extension([2, 5, 29, 14], tlv(0x04, keyId), false), // subjectKeyIdentifier
    extension([2, 5, 29, 17], names, false), // subjectAltName
  );
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // Positive, and of full length.
  const version3 = tlv(0xa0, tlv(0x02, Buffer.from([2])));
  const body = sequence(
    version3,
    tlv(0x02, serial),
    ecdsaWithSha256,
    name,
    validity,
    name,
    spki,
    tlv(0xa3, extensions),
  );
  const signature = tlv(0x03, Buffer.concat([Buffer.from([0]), sign("sha256", body, privateKey)]));
  const der = sequence(body, ecdsaWithSha256, signature);
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    certPem: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
  };
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const bytes = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...bytes]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function set(...parts: Buffer[]): Buffer {
  return tlv(0x31, Buffer.concat(parts));
}

function oid([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Buffer.from(bytes));
}

function extension(id: readonly number[], value: Buffer, critical: boolean): Buffer {
  return sequence(oid(id), ...(critical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value));
}

/** UTCTime, which serves until 2049. */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}
