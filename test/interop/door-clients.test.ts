/** Clients at the doors that nobody here wrote, unchanged: curl over each protocol, and git, with a token in a header. */
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { authority, bearer, type ConsoleWorld, startConsole } from "../console/console-world.ts";

const exec = promisify(execFile);
const header = `Authorization: ${bearer.authorization}`;
const film = randomBytes(12_000_000);

let world: ConsoleWorld;
let folder: string;

before(async () => {
  for (const program of ["curl", "git"]) {
    if (spawnSync(program, ["--version"]).status !== 0)
      throw new Error(`There is no ${program} on PATH: \`apt-get install ${program}\` brings it.`);
  }
  folder = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  world = await startConsole();
});
after(async () => {
  await world?.[Symbol.asyncDispose]();
  if (folder) await rm(folder, { recursive: true, force: true });
});

/** Runs it in the folder of the test, as somebody without settings of their own; rejects with what it said when it fails. */
async function run(program: string, ...args: string[]): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: folder, GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0" };
  return (await exec(program, args, { cwd: folder, env, timeout: 120_000, maxBuffer: 1e8 })).stdout;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("curl at a door", () => {
  const ways = [
    ["HTTP/1.1", "1.1", "http", ["--http1.1"]],
    ["HTTP/2 in clear", "2", "http", ["--http2-prior-knowledge"]],
    ["HTTP/2 over TLS, verified by the agent's CA", "2", "https", ["--cacert", "ca.pem"]],
  ] as const;
  for (const [name, version, scheme, args] of ways) {
    test(`sends and gets much, and goes on where it was broken off: ${name}`, async () => {
      await writeFile(join(folder, "ca.pem"), authority.certPem);
      await writeFile(join(folder, "up"), film);
      let breaks = 1;
      await world.run("films", async (req, res) => {
        if (req.method === "PUT") {
          const hash = createHash("sha256");
          for await (const part of req) hash.update(part);
          return void res.end(`${hash.digest("hex")} ${req.headers.expect ?? ""}`);
        }
        const from = Number(/^bytes=(\d+)-$/.exec(req.headers.range ?? "")?.[1] ?? 0);
        const size = film.length - from;
        res.writeHead(from === 0 ? 200 : 206, {
          "content-length": size,
          "accept-ranges": "bytes",
          ...(from > 0 && { "content-range": `bytes ${from}-${film.length - 1}/${film.length}` }),
        });
        if (breaks-- > 0)
          res.write(film.subarray(0, 5_000_000), () => setImmediate(() => req.socket.resetAndDestroy()));
        else res.end(film.subarray(from));
      });
      const url = `${scheme}://localhost:${world.port}/apps/shop/films/http/film`;
      const common = ["-sS", "--ipv4", ...args, "-H", header];
      const down = `down-${version}-${scheme}`;
      await assert.rejects(run("curl", ...common, "-o", down, url), "a break is no end");
      const half = (await readFile(join(folder, down))).length;
      assert.ok(half < film.length);
      const told = await run("curl", ...common, "-C", "-", "-o", down, "-w", "%{http_version} %{http_code}", url);
      assert.equal(told, `${version} ${half === 0 ? 200 : 206}`);
      assert.equal(sha256(await readFile(join(folder, down))), sha256(film));
      const sent = await run("curl", ...common, "-H", "Expect: 100-continue", "-T", "up", url);
      assert.equal(sent, `${sha256(film)} 100-continue`);
    });
  }
});

describe("git at a door", () => {
  test("clones, pushes and fetches over HTTP, with the token in a header", async () => {
    const git = (...args: string[]) =>
      run(
        "git",
        "-c",
        "user.name=Ana",
        "-c",
        "user.email=ana@example.com",
        "-c",
        `http.extraHeader=${header}`,
        ...args,
      );
    await git("init", "-q", "--bare", "-b", "main", "served.git");
    await git("-C", "served.git", "config", "http.receivepack", "true");
    await world.run("git", httpBackend(folder));
    const url = `http://127.0.0.1:${world.port}/apps/shop/git/http/served.git`;
    await git("clone", "-q", url, "first");
    await writeFile(join(folder, "first/film"), film);
    await git("-C", "first", "add", "film");
    await git("-C", "first", "commit", "-q", "-m", "A film");
    await git("-C", "first", "push", "-q", "origin", "HEAD:main");
    await git("clone", "-q", "--branch", "main", url, "second");
    assert.equal(sha256(await readFile(join(folder, "second/film"))), sha256(film));
    await git("-C", "second", "fsck", "--strict");
    await assert.rejects(
      run("git", "clone", "-q", url, "third"),
      /401|could not read Username/,
      "without the token nothing is shown",
    );
  });
});

/** Git's own server, as a web server runs it (RFC 3875). */
function httpBackend(root: string): RequestListener {
  return (req: IncomingMessage, res: ServerResponse) => {
    const { pathname, search } = new URL(req.url ?? "", "http://app.invalid");
    const env = {
      PATH: process.env.PATH,
      HOME: root,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      REQUEST_METHOD: req.method,
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      CONTENT_TYPE: req.headers["content-type"] ?? "",
      CONTENT_LENGTH: req.headers["content-length"] ?? "",
      HTTP_CONTENT_ENCODING: req.headers["content-encoding"] ?? "",
      HTTP_GIT_PROTOCOL: req.headers["git-protocol"]?.toString() ?? "",
      REMOTE_USER: "ana",
    };
    const child = spawn("git", ["http-backend"], { env, stdio: ["pipe", "pipe", "ignore"] });
    child.stdin.on("error", () => undefined);
    req.pipe(child.stdin);
    let head: Buffer | undefined = Buffer.alloc(0);
    child.stdout.on("data", (part: Buffer) => {
      if (!head) return void res.write(part);
      head = Buffer.concat([head, part]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      for (const line of head.subarray(0, end).toString().split("\r\n")) {
        const [name = "", value = ""] = line.split(/:\s*/, 2);
        if (name === "Status") res.statusCode = Number.parseInt(value, 10);
        else res.setHeader(name, value);
      }
      res.write(head.subarray(end + 4));
      head = undefined;
    });
    child.stdout.on("end", () => res.end());
  };
}
