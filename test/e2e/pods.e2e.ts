/** Shells, files and ports of an app's pods, between two real clusters; pods-stage.ts says by which agents. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPodsStage, type PodsStage } from "./pods-stage.ts";
import { until } from "./until.ts";

const program = new URL("../../src/main.ts", import.meta.url).pathname;
const python = new URL("at-a-terminal.py", import.meta.url).pathname;

let stage: PodsStage;
let inApps: string[];
const directory = mkdtempSync(join(tmpdir(), "fairlead-pods-"));

before(
  async () => {
    stage = await openPodsStage();
    inApps = ["-n", stage.namespace];
  },
  { timeout: 300_000 },
);

after(
  async () => {
    rmSync(directory, { recursive: true, force: true });
    await stage?.close();
  },
  { timeout: 180_000 },
);

/** `fairlead app exec -it` at a terminal of its own. */
class AtATerminal {
  readonly #child: ChildProcess;
  shown = "";

  constructor(...command: string[]) {
    const exec = ["app", "exec", "-it", ...inApps, "echo", "--", ...command];
    this.#child = spawn("python3", [python, process.execPath, program, ...stage.origin.flags, ...exec], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout?.on("data", (piece: Buffer) => {
      this.shown += piece.toString();
    });
  }

  type(text: string): void {
    this.#child.stdin?.write(`type ${JSON.stringify(text)}\n`);
  }

  size(columns: number, rows: number): void {
    this.#child.stdin?.write(`size ${columns} ${rows}\n`);
  }

  /** Waits until it shows that, after what it has shown at the time. */
  async until(pattern: RegExp): Promise<void> {
    await until(`the terminal shows ${pattern}`, async () => pattern.test(this.shown), {
      seconds: 60,
      seen: () => this.shown.slice(-500),
    });
    this.shown = "";
  }

  ended(): Promise<number | null> {
    if (this.#child.exitCode !== null) return Promise.resolve(this.#child.exitCode);
    return new Promise((resolve) => this.#child.once("exit", resolve));
  }
}

/** Behind it a shell may ask where the cursor is. */
const prompt = /# [^#]*$/;

test("a shell has a terminal of this one's size, Ctrl-C is its own, it lives through a cut, and its code is ours", {
  timeout: 180_000,
}, async () => {
  const shell = new AtATerminal("sh");
  await shell.until(prompt);
  shell.type("stty size\r");
  await shell.until(/\b24 80\b[^#]*# /);
  shell.size(133, 41);
  // The news of it takes its own way, so that it may come behind what is typed.
  for (let tries = 0; tries < 20 && !/\b41 133\b/.test(shell.shown); tries += 1) {
    shell.shown = "";
    shell.type("stty size\r");
    await until("it answers", async () => /\d+ \d+\s[^#]*# /.test(shell.shown));
  }
  assert.match(shell.shown, /\b41 133\b/);
  shell.shown = "";
  shell.type("sleep 1000\r");
  await shell.until(/sleep 1000/);
  shell.type("\u0003");
  await shell.until(prompt);
  assert.ok(stage.proxy.cut() > 0, "there was a link to cut");
  shell.type("echo af''ter\r");
  await shell.until(/after/);
  shell.type("exit 42\r");
  assert.equal(await shell.ended(), 42);
});

test("20 MB go to the pod and back with the same hash, while the link is cut in the middle", {
  timeout: 180_000,
}, async () => {
  const bytes = randomBytes(20_000_000);
  const hash = createHash("sha256").update(bytes).digest("hex");
  const [there, back] = [join(directory, "there"), join(directory, "back")];
  writeFileSync(there, bytes);
  let cuts = 0;
  // By what has passed, so that the transfer comes forward between two cuts however slow the machine is.
  const cutAfterMore = (): void =>
    stage.proxy.after(3_000_000, () => {
      cuts += stage.proxy.cut();
      cutAfterMore();
    });
  cutAfterMore();
  await stage.origin.cli(["app", "cp", ...inApps, there, "echo:/tmp/payload"]);
  await stage.origin.cli(["app", "cp", ...inApps, "echo:/tmp/payload", back]);
  stage.proxy.after(Number.POSITIVE_INFINITY, () => undefined);
  assert.ok(cuts > 8, `${cuts} cuts`);
  const said = await stage.origin.cli(["app", "exec", ...inApps, "echo", "--", "sha256sum", "/tmp/payload"]);
  assert.equal(said.split(" ")[0], hash);
  assert.equal(createHash("sha256").update(readFileSync(back)).digest("hex"), hash);
});

test("a pipe goes through a program there, to its end, and its exit code comes back", {
  timeout: 120_000,
}, async () => {
  const text = "0123456789\n".repeat(200_000);
  const args = ["app", "exec", "-i", ...inApps, "echo", "--", "sh", "-c", "sha256sum; echo err >&2; exit 3"];
  const { code, stdout, stderr } = await stage.origin.tryCli(args, text);
  assert.equal(stdout.split(" ")[0], createHash("sha256").update(text).digest("hex"));
  assert.deepEqual([code, stderr], [3, "err\n"]);
});

test("a port of this machine is the app's", { timeout: 120_000 }, async () => {
  const forward = stage.origin.spawnCli(["app", "port-forward", ...inApps, "echo", ":8080"]);
  let out = "";
  forward.stdout?.on("data", (piece: Buffer) => {
    out += piece.toString();
  });
  const url = await until("it listens", async () => /^(127\.0\.0\.1:\d+) is echo/m.exec(out)?.[1], { seconds: 60 });
  try {
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await fetch(`http://${url}/bytes?n=100000`)).arrayBuffer()),
    );
    assert.ok(answers.every(({ byteLength }) => byteLength === 100_000));
  } finally {
    forward.kill("SIGINT");
  }
});

test("a host's agent that dies ends a shell with an error and a code that is none of the program's", {
  timeout: 180_000,
}, async () => {
  const shell = new AtATerminal("sh");
  await shell.until(prompt);
  const back = stage.killHost();
  assert.equal(await shell.ended(), 5);
  await back;
});
