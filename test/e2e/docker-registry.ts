/** Debian's docker-registry on loopback, which lets nobody read without a password, and images to put there. */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { mustRun } from "./command.ts";
import { type Program, startProgram } from "./debian.ts";
import { freePort } from "./free-port.ts";

export const user = { username: "shop", password: "marsh-kestrel-5081" };
/** The line of a file for htpasswd that lets `user` in, as `htpasswd -B` writes it. */
const line = `${user.username}:$2y$05$Q7Yd0v1JrXk3mTzE9uLwB.L8dENtA48gY1079cReJ.aFfrlanCMEC\n`;

export interface DockerRegistry extends AsyncDisposable {
  /** As images name it: `127.0.0.1:40123`. */
  readonly host: string;
  /** Pushes an image that sleeps for ever, with a layer of its own that has this content. */
  push(
    repository: string,
    tag: string,
    content: Buffer,
  ): Promise<{
    readonly digest: string;
    /** The digest of that layer. */
    readonly layer: string;
  }>;
  /** Changes one byte in the middle of a blob where it is stored; again, and it is as it was. */
  flip(digest: string): Promise<void>;
}

export async function startDockerRegistry(directory: string): Promise<DockerRegistry> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const storage = join(directory, "storage");
  const [file, passwords] = [join(directory, "registry.yml"), join(directory, "htpasswd")];
  await mkdir(storage, { recursive: true });
  await writeFile(passwords, line);
  const settings = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: storage } },
    http: { addr: host },
    auth: { htpasswd: { realm: "shop", path: passwords } },
  };
  // JSON is YAML as well.
  await writeFile(file, JSON.stringify(settings));
  const program: Program = await startProgram("docker-registry", ["serve", file], port);
  const authorization = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString("base64")}`;

  async function send(
    method: string,
    url: string,
    body?: Buffer,
    type = "application/octet-stream",
  ): Promise<Response> {
    const sent = body && { body: new Uint8Array(body) };
    const answer = await fetch(url, { method, headers: { authorization, "content-type": type }, ...sent });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status}`);
    return answer;
  }

  async function putBlob(repository: string, mediaType: string, bytes: Buffer): Promise<Described> {
    const digest = digestOf(bytes);
    const begun = await send("POST", `http://${host}/v2/${repository}/blobs/uploads/`);
    const url = new URL(begun.headers.get("location") ?? "", `http://${host}`);
    url.searchParams.set("digest", digest);
    await send("PUT", url.href, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  return {
    host,
    async push(repository, tag, content) {
      await writeFile(join(directory, "content"), content);
      const tars = [await tar(directory, "/", await programFiles()), await tar(directory, directory, ["content"])];
      const layers: Described[] = [];
      for (const bytes of tars) layers.push(await putBlob(repository, `${types}.layer.v1.tar+gzip`, gzip(bytes)));
      const contents = { ...imageConfig, rootfs: { type: "layers", diff_ids: tars.map(digestOf) } };
      const config = await putBlob(repository, `${types}.config.v1+json`, Buffer.from(JSON.stringify(contents)));
      const mediaType = `${types}.manifest.v1+json`;
      const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }));
      await send("PUT", `http://${host}/v2/${repository}/manifests/${tag}`, manifest, mediaType);
      return { digest: digestOf(manifest), layer: layers.at(-1)?.digest ?? "" };
    },
    async flip(digest) {
      const hex = digest.slice("sha256:".length);
      const stored = join(storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
      const bytes = await readFile(stored);
      const middle = bytes.length >> 1;
      bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
      await writeFile(stored, bytes);
    },
    [Symbol.asyncDispose]: () => program.kill(),
  };
}

const types = "application/vnd.oci.image";

/** As manifests name a blob. */
interface Described {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const gzip = (bytes: Buffer): Buffer => gzipSync(bytes, { level: 1 });

const imageConfig = {
  architecture: process.arch === "x64" ? "amd64" : process.arch,
  os: "linux",
  config: { Entrypoint: ["/bin/sleep"], Cmd: ["infinity"], User: "65532:65532" },
};

/** This machine's own `sleep`, with the libraries that it is linked with; paths from the root. */
async function programFiles(): Promise<string[]> {
  const linked = await mustRun("ldd", ["/bin/sleep"]);
  return ["/bin/sleep", ...(linked.match(/\/lib\S+/g) ?? [])].map((path) => path.slice(1));
}

async function tar(directory: string, from: string, names: readonly string[]): Promise<Buffer> {
  const file = join(directory, "layer.tar");
  await mustRun("tar", ["--create", "--dereference", "--file", file, "--directory", from, ...names]);
  return readFile(file);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
