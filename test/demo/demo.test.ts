import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { runDemo } from "../../src/demo/demo.ts";
import { tellStory } from "../../src/demo/story.ts";

const main = new URL("../../src/main.ts", import.meta.url).pathname;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  /** What was left in its folder for temporary files. */
  readonly files: readonly string[];
  /** Processes that it started and that still run. */
  readonly processes: readonly number[];
}

/** Runs `fairlead demo --once` in a process group and with a folder for temporary files of its own. */
async function demo(onOutput: (out: string, interrupt: () => void) => void = () => {}): Promise<Ended> {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-test-"));
  try {
    const child = spawn(process.execPath, [main, "demo", "--once"], {
      env: { ...process.env, TMPDIR: directory, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      out += chunk;
      onOutput(out, () => child.kill("SIGINT"));
    });
    const [code]: (number | null)[] = await once(child, "close");
    return { code: code ?? null, out, files: readdirSync(directory), processes: groupOf(child.pid) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The processes of a process group. */
function groupOf(group: number | undefined): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const afterName = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1) ?? "";
        const [state, , its] = afterName.split(" ");
        return state !== "Z" && Number(its) === group;
      } catch {
        return false; // It ended while the folder was read.
      }
    });
}

suite("fairlead demo", { timeout: 600_000 }, () => {
  test("--once proves every claim, ends with 0 and leaves nothing behind", async () => {
    const { code, out, files, processes } = await demo();
    assert.equal(code, 0, out);
    assert.equal(out.match(/^✔ /gm)?.length, 10, out);
    assert.doesNotMatch(out, /✖/);
    assert.deepEqual({ files, processes }, { files: [], processes: [] });
  });

  test("Ctrl-C in the middle leaves nothing behind either, and is no success", async () => {
    let sent = false;
    const { code, files, processes } = await demo((out, interrupt) => {
      if (!sent && out.includes("is Ready")) interrupt();
      sent ||= out.includes("is Ready");
    });
    assert.equal(code, 130);
    assert.deepEqual({ files, processes }, { files: [], processes: [] });
  });

  test("a claim that is not true is named, and ends it with 1", async () => {
    let out = "";
    const options = {
      once: true,
      version: "0.0.1",
      colours: false,
      signal: new AbortController().signal,
      print(text: string) {
        out += text;
      },
    };
    const code = await runDemo(options, (lisbon, berlin) => {
      const [first] = tellStory(lisbon, berlin);
      assert.ok(first);
      const broken = { says: "water flows upward", see: () => Promise.reject(new Error("it flows down")) };
      return [first, broken, first];
    });
    assert.equal(code, 1);
    assert.match(out, /^✖ Not so: water flows upward\n {4}it flows down\n/m);
    assert.equal(out.match(/^✔ /gm)?.length, 1, "nothing is told after it");
  });

  test("at a terminal it stays up until Ctrl-C, with lines to paste", async () => {
    const interrupted = new AbortController();
    let out = "";
    const options = {
      once: false,
      version: "0.0.1",
      colours: true,
      signal: interrupted.signal,
      print(text: string) {
        out += text;
        if (out.includes("Ctrl-C takes everything down.")) interrupted.abort(new Error("Ctrl-C"));
      },
    };
    assert.equal(await runDemo(options), 0);
    assert.match(out, /export KUBECONFIG=\S+\/lisbon\.kubeconfig FAIRLEAD_SERVER=http:\/\/127\.0\.0\.1:\d+\n/);
    assert.match(out, /http:\/\/hello-default-web\.localhost:\d+\/\S+/);
    assert.match(out, /bin\/fairlead forward berlin app\/default\/hello:8080 8088 /);
  });
});
