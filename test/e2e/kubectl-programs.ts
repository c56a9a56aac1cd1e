/** What kubectl does with connections that carry bytes both ways: programs, files, ports, terminals. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { collect, type Outcome } from "./command.ts";
import { flagsOf, kubectl, type Way } from "./kubectl-stage.ts";
import { until } from "./until.ts";

const overSpdy = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false", KUBECTL_PORT_FORWARD_WEBSOCKETS: "false" };
const atATerminal = new URL("at-a-terminal.py", import.meta.url).pathname;

/** Starts kubectl and leaves it running. */
export function startKubectl(way: Way, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.env.KUBECTL ?? "kubectl", flagsOf(way, args), {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  return { child, output: collect(child) };
}

export async function carryBytes(o: {
  way: Way;
  protocol: "WebSocket" | "SPDY";
  /** Bytes of the files that are copied there, and back. */
  there: number;
  back: number;
  folder: string;
}): Promise<void> {
  const { way, folder } = o;
  const env = o.protocol === "SPDY" ? overSpdy : {};
  const tell = (args: readonly string[], input?: string): Promise<Outcome> =>
    kubectl(way, args, { env, seconds: 400, ...(input !== undefined && { input }) });

  const piped = "0123456789\n".repeat(300_000);
  const ran = await tell(["exec", "-i", "box", "--", "sh", "-c", "sha256sum; echo err >&2; exit 3"], piped);
  assert.deepEqual(
    [ran.stdout.split(" ")[0], ran.stderr, ran.code],
    [createHash("sha256").update(piped).digest("hex"), "err\ncommand terminated with exit code 3\n", 3],
  );

  const attached = startKubectl(way, ["attach", "-i", "-q", "cat"], env);
  const word = `word-${randomBytes(4).toString("hex")}`;
  try {
    attached.child.stdin.write(`${word}\n`);
    await until("what is typed comes back", async () => attached.output().stdout.includes(word), {
      seen: attached.output,
    });
  } finally {
    attached.child.kill();
  }

  await copyThere(o.there, folder, tell);
  await copyBack(o.back, folder, tell);

  await withPort(startKubectl(way, ["port-forward", "service/web", ":80"], env), async (url) => {
    const bytes = 3_000_000;
    const answers = Array.from({ length: 8 }, async () => {
      const answer = await fetch(`${url}/bytes?n=${bytes}`);
      const body = Buffer.from(await answer.arrayBuffer());
      assert.equal(body.length, bytes);
      assert.equal(createHash("sha256").update(body).digest("hex"), answer.headers.get("x-sha256"));
    });
    await Promise.all(answers);
    const body = randomBytes(bytes);
    const sha256 = createHash("sha256").update(body).digest("hex");
    assert.deepEqual(await (await fetch(`${url}/upload`, { method: "POST", body })).json(), { bytes, sha256 });
  });
}

type Tell = (args: readonly string[]) => Promise<Outcome>;

async function copyThere(bytes: number, folder: string, tell: Tell): Promise<void> {
  const file = join(folder, "there");
  await writeFile(file, randomPieces(bytes));
  const { code, stderr } = await tell(["cp", file, "box:/tmp/there"]);
  assert.equal(code, 0, stderr);
  const { stdout } = await tell(["exec", "box", "--", "sha256sum", "/tmp/there"]);
  assert.equal(stdout.split(" ")[0], await hashOf(file));
}

/**
 * The first so many bytes of what was copied there. kubectl goes on where it was when it is cut short, as docs/kubectl.md advises:
 * when a program has ended, an API server that hears another word of the client resets the connection, and with it what a slow
 * reader has not taken yet, tunnel or not.
 */
async function copyBack(bytes: number, folder: string, tell: Tell): Promise<void> {
  const file = join(folder, "back");
  const cut = `head -c ${bytes} /tmp/there >/tmp/back; sha256sum /tmp/back`;
  const { stdout } = await tell(["exec", "box", "--", "sh", "-c", cut]);
  const { code, stderr } = await tell(["cp", "--retries=20", "box:/tmp/back", file]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout.split(" ")[0], await hashOf(file));
}

/** `kubectl proxy` gives what `kubectl get --raw` gives, when it is told that the server's address has a path. */
export async function proxies(way: Way, path: string): Promise<void> {
  await withPort(startKubectl(way, ["proxy", "--port=0", "--append-server-path"]), async (url) => {
    const raw = await kubectl(way, ["get", "--raw", path]);
    assert.deepEqual(await (await fetch(url + path)).json(), JSON.parse(raw.stdout));
  });
}

/** Gives where it says that it listens, and ends it afterwards. */
async function withPort(
  { child, output }: ReturnType<typeof startKubectl>,
  use: (url: string) => Promise<void>,
): Promise<void> {
  try {
    const place = await until(
      "kubectl listens",
      async () => {
        const { stdout, stderr } = output();
        assert.equal(child.exitCode, null, stderr);
        return /(127\.0\.0\.1:\d+)/.exec(stdout)?.[1];
      },
      { seen: output },
    );
    await use(`http://${place}`);
  } finally {
    child.kill();
  }
}

const conversation =
  "until stty size 2>/dev/null | grep '24 80'; do sleep 0.1; done; test -t 0 && test -t 1 && echo at a terminal; read line; echo got $line; exit 42";

/** What somebody sees at a terminal, and the code at the end, are the same by both ways. */
export async function showTerminals(ways: { tunnel: Way; direct: Way }): Promise<void> {
  for (const env of [{}, overSpdy]) {
    const [tunnel, direct] = await Promise.all([ways.tunnel, ways.direct].map((way) => converse(way, env)));
    assert.deepEqual(tunnel, direct);
    assert.equal(tunnel?.code, 42);
    assert.match(tunnel.shown, /^24 80\r\nat a terminal\r\nahoy\r\ngot ahoy\r\n/);
  }
}

async function converse(way: Way, env: Readonly<Record<string, string>>) {
  const command = flagsOf(way, ["exec", "-it", "box", "--", "sh", "-c", conversation]);
  const child = spawn("python3", [atATerminal, process.env.KUBECTL ?? "kubectl", ...command], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const output = collect(child);
  await until("the program asks", async () => output().stdout.includes("terminal"), { seen: output });
  child.stdin.write(`type ${JSON.stringify("ahoy\r")}\n`);
  const code = await ended;
  return { code, shown: output().stdout };
}

/** What no compression makes smaller. */
function* randomPieces(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= 1_000_000) yield randomBytes(Math.min(left, 1_000_000));
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
