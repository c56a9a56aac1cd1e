/** What the README and the pages of docs say to type at the API works as it stands. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { startWorldWithWeb, type World } from "./cli/world.ts";
import { patience } from "./patience.ts";

const page = (name: string): string => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");

/** What is to be typed there at the API, each a line, whether it stands in a fence or behind four spaces. */
function linesOf(text: string): string[] {
  const joined = text.replaceAll(/ \\\n\s+/g, " ");
  return [...joined.matchAll(/^ {0,4}((?:buf )?curl .*localhost:8000.*)$/gm)].map(([, line = ""]) => line);
}

const [, section = ""] = /\n## Call its API\n(.*?)\n## /s.exec(page("README.md")) ?? [];
const lines = linesOf(section);
const others = ["docs/api.md", "docs/watch.md"].flatMap((name) => linesOf(page(name)));

describe("a line of the pages that calls the API", () => {
  let world: World;
  before(async () => {
    world = await startWorldWithWeb();
  });
  after(() => world[Symbol.asyncDispose]());

  test("is there in the README for curl, and for buf curl to list, to call and to stream, in clear and over TLS", () => {
    for (const wanted of [
      /^curl .*http:/,
      /list-methods http:/,
      /buf curl -H.*http:.*ListPeers/,
      /Watch$/,
      /^curl -N .*events/,
    ]) {
      assert.ok(
        lines.some((line) => wanted.test(line)),
        String(wanted),
      );
    }
    assert.ok(lines.some((line) => /list-methods https:/.test(line)) && lines.some((line) => /-H.*https:/.test(line)));
  });

  assert.ok(others.length >= 5);
  for (const line of new Set([...lines, ...others])) {
    test(`works: ${line}`, async () => {
      const { host } = new URL(world.lisbon.consoleUrl);
      const said = await type(line.replace("localhost:8000", host), world.lisbon.token, /Watch$|\/events/.test(line));
      if (/list-methods/.test(line)) assert.match(said, /^fairlead\.console\.v1\.PeerService\/ListPeers$/m);
      else if (/ListPeers/.test(line)) assert.match(said, /"name": ?"berlin"/);
      else assert.match(said, /"name": ?"web"/);
    });
  }
});

/** What a shell makes of the line; of one that goes on for ever, until it has told of something. */
async function type(line: string, token: string, forEver: boolean): Promise<string> {
  // A group of its own: what npm puts on the PATH starts the program as its child.
  const env = { ...process.env, token };
  const child = spawn("sh", ["-c", `exec ${line}`], { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const end = (): void => void (child.pid !== undefined && process.kill(-child.pid));
  const late = patience();
  late.addEventListener("abort", end);
  let out = "";
  let err = "";
  child.stderr.setEncoding("utf8").on("data", (piece: string) => {
    err += piece;
  });
  let isEnded = false;
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    out += piece;
    if (!forEver || isEnded || !out.includes('"name"')) return;
    isEnded = true;
    end();
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  late.removeEventListener("abort", end);
  assert.ok(code === 0 || isEnded, `${line}\n${err}${out}`);
  return out;
}
