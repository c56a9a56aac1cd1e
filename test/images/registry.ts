/** A registry for tests: it has what it is given, wants to see what it is told to, and misbehaves on demand. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";

export interface TestRegistry extends AsyncDisposable {
  /** Such as `127.0.0.1:40123`. */
  readonly host: string;
  /** Stores a blob or a manifest, under its digest and its tag. */
  put(kind: "blobs" | "manifests", bytes: Buffer, tag?: string): string;
  /** What was asked, in its order. */
  readonly asked: { method: string; url: string; headers: IncomingMessage["headers"] }[];
  wants: "nothing" | "basic" | "bearer" | "nobody";
  /** Where it sends for a token; to itself unless given. */
  realm: string | undefined;
  /** Where blobs are redirected to; nowhere unless given. */
  redirect: string | undefined;
  /** Cuts the next answers with a blob after so many bytes. */
  readonly cuts: number[];
  /** Changes what is sent. */
  spoil: ((bytes: Buffer) => Buffer) | undefined;
  /** Whether it knows ranges. */
  ranges: boolean;
  /** Waits before each answer with a blob, if given. */
  gate: Promise<void> | undefined;
}

export const user = { username: "shop", password: "pa:ss word" };
export const token = "t0k.en";

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** It speaks TLS when it is given a certificate. */
export async function startRegistry(o: { tls?: { cert: string; key: string } } = {}): Promise<TestRegistry> {
  const held = new Map<string, Buffer>();
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    registry.asked.push({ method: req.method ?? "", url: req.url ?? "", headers: req.headers });
    void answer(req, res);
  };
  const server: Server = o.tls ? createSecureServer(o.tls, onRequest) : createServer(onRequest);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (!address || typeof address === "string") throw new Error("no address");
  // A certificate of ours names no addresses.
  const host = `${o.tls ? "localhost" : "127.0.0.1"}:${address.port}`;

  function fail(res: ServerResponse, status: number, code: string, headers: Record<string, string> = {}): void {
    res.writeHead(status, { "content-type": "application/json", ...headers });
    res.end(JSON.stringify({ errors: [{ code, message: `no ${code.toLowerCase()}` }] }));
  }

  function isWelcome(req: IncomingMessage, res: ServerResponse): boolean {
    const basic = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString("base64")}`;
    const { authorization } = req.headers;
    if (registry.wants === "nothing") return true;
    if (registry.wants === "basic") {
      if (authorization === basic) return true;
      fail(res, 401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="test"' });
      return false;
    }
    if (registry.wants === "bearer") {
      if (authorization === `Bearer ${token}`) return true;
      const realm = registry.realm ?? `http://${host}/token`;
      const challenge = `Bearer realm="${realm}",service="test, of sorts",scope="repository:x:pull"`;
      fail(res, 401, "UNAUTHORIZED", { "www-authenticate": challenge });
      return false;
    }
    fail(res, 403, "DENIED");
    return false;
  }

  function giveToken(req: IncomingMessage, res: ServerResponse): void {
    const basic = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString("base64")}`;
    if (req.headers.authorization !== basic) {
      fail(res, 401, "UNAUTHORIZED");
      return;
    }
    res.writeHead(200, { "content-type": "application/json" });
    res.end(JSON.stringify({ token, expires_in: 300 }));
  }

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? "", `http://${host}`);
    if (url.pathname === "/token") {
      giveToken(req, res);
      return;
    }
    if (!isWelcome(req, res)) return;
    const [, kind = "", reference = ""] = /\/(blobs|manifests)\/([^/]+)$/.exec(url.pathname) ?? [];
    const bytes = held.get(`${kind}/${reference}`);
    if (!bytes) {
      fail(res, 404, kind === "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN");
      return;
    }
    if (kind === "blobs" && registry.redirect !== undefined) {
      res.writeHead(307, { location: `${registry.redirect}${url.pathname}?signed=yes` });
      res.end();
      return;
    }
    if (kind === "blobs") await registry.gate;
    send(req, res, kind, bytes);
  }

  function send(req: IncomingMessage, res: ServerResponse, kind: string, bytes: Buffer): void {
    const sent = registry.spoil?.(bytes) ?? bytes;
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? "") ?? [];
    const headers: Record<string, string | number> = {
      "content-type": kind === "blobs" ? "application/octet-stream" : "application/vnd.oci.image.manifest.v1+json",
      "docker-content-digest": digestOf(bytes),
    };
    const begin = registry.ranges && first !== undefined ? Number(first) : 0;
    const end = registry.ranges && last ? Math.min(Number(last) + 1, sent.length) : sent.length;
    if (begin >= sent.length && sent.length > 0) {
      fail(res, 416, "RANGE_INVALID");
      return;
    }
    const part = sent.subarray(begin, end);
    const isPart = registry.ranges && first !== undefined;
    if (isPart) headers["content-range"] = `bytes ${begin}-${end - 1}/${sent.length}`;
    res.writeHead(isPart ? 206 : 200, { ...headers, "content-length": part.length });
    if (req.method === "HEAD") {
      res.end();
      return;
    }
    const cut = kind === "blobs" ? registry.cuts.shift() : undefined;
    if (cut === undefined || cut >= part.length) {
      res.end(part);
      return;
    }
    res.write(part.subarray(0, cut), () => res.destroy());
  }

  const registry: TestRegistry = {
    host,
    asked: [],
    wants: "nothing",
    realm: undefined,
    redirect: undefined,
    cuts: [],
    spoil: undefined,
    ranges: true,
    gate: undefined,
    put(kind, bytes, tag) {
      const digest = digestOf(bytes);
      for (const reference of [digest, tag]) if (reference !== undefined) held.set(`${kind}/${reference}`, bytes);
      return digest;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return registry;
}
