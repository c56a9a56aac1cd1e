/** What an ingress shows on its outer TLS: a certificate of a certificate authority that nobody knows but who is told. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newAuthority, newLeaf } from "../identity/forge-chain.ts";

export interface Certificate {
  /** PEM files: the root that signed it; the certificate and its root; its key; the last two in one, as haproxy wants it. */
  readonly rootFile: string;
  readonly chainFile: string;
  readonly keyFile: string;
  readonly bundleFile: string;
}

/** Writes the files into `directory`. It is good for these DNS names. */
export async function makeCertificate(directory: string, names: readonly string[]): Promise<Certificate> {
  const root = newAuthority(Date.now());
  const leaf = newLeaf(root, Date.now(), { names: names.map((dns) => ({ dns })) });
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  return {
    rootFile: await write("root.pem", root.certPem),
    chainFile: await write("outer.crt", leaf.pem + root.certPem),
    keyFile: await write("outer.key", leaf.keyPem),
    bundleFile: await write("outer.pem", leaf.pem + root.certPem + leaf.keyPem),
  };
}
