/**
 * What `make check`, `make test`, `make browser` and `make e2e` run. Each ends with what failed, or with nothing to say but the
 * counts: `node test/run.ts check|test|browser|e2e`.
 */
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { stripVTControlCharacters } from "node:util";
import { environmentOf, type Lane, pairsIn, type Stage, stagesOf } from "./e2e/lanes.ts";

const root = new URL("..", import.meta.url).pathname;
/** The longest that all tests together may take, in milliseconds: Node waits for ever for a file of which something runs on. */
const longestRunMs = 30 * 60_000;

interface Step {
  name: string;
  command: string[];
}

const checks: Step[] = [
  { name: "types", command: ["tsc", "--noEmit", "--project", "."] },
  { name: "types of the console", command: ["tsc", "--noEmit", "--project", "ui"] },
  { name: "format and lint", command: ["biome", "ci", "--log-level=warn", "--error-on-warnings"] },
  { name: "dead code", command: ["knip", "--no-progress"] },
  { name: "architecture", command: ["node", "--test", "--test-reporter=dot", "test/architecture.test.ts"] },
  { name: "generated code", command: ["node", "proto/tools/generate.ts", "--check"] },
  { name: "protos against landed ones", command: ["node", "proto/tools/check-breaking.ts"] },
  { name: "protos", command: ["buf", "lint"] },
  { name: "format of protos", command: ["buf", "format", "--diff", "--exit-code", "proto"] },
];

const modes: Record<string, () => Promise<boolean>> = {
  check: () => runChecks(checks),
  // An end-to-end test is not named *.test.ts, so this is every test that needs no cluster.
  test: () => {
    const bounds = { concurrency: Math.max(2, availableParallelism()), timeoutMs: 300_000 };
    return runTests(alone(find("test/**/*.test.ts")), bounds);
  },
  // Each file starts a Chromium, which takes more than one core by itself.
  browser: () => runTests(alone(find("test/**/*.browser.ts")), { concurrency: 1, timeoutMs: 600_000 }),
  e2e: async () => {
    const files = [...find("test/contract/*.e2e.ts"), ...find("test/e2e/*.e2e.ts")];
    return hasClusters() && runTests(stagesOf(files, pairsIn(process.env)), { concurrency: 1, timeoutMs: 600_000 });
  },
};

const mode = modes[process.argv[2] ?? ""];
if (!mode) {
  console.error(`Say what to run: ${Object.keys(modes).join(", ")}.`);
  process.exit(2);
}
process.exit((await mode()) ? 0 : 1);

/** All of them, as many at once as there are cores; what a step printed is shown only when it failed. */
async function runChecks(steps: Step[]): Promise<boolean> {
  const waiting = [...steps];
  const failed: string[] = [];
  const work = async (): Promise<void> => {
    for (let step = waiting.shift(); step; step = waiting.shift()) {
      const startedAt = performance.now();
      const { code, output } = await run(step.command, false);
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      console.log(`${code === 0 ? "✔" : "✖"} ${step.name} (${seconds} s)`);
      if (code === 0) continue;
      failed.push(step.name);
      console.log(output.trimEnd());
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  console.log(`${steps.length - failed.length} checks passed, ${failed.length} failed${list(failed)}`);
  return failed.length === 0;
}

function find(pattern: string): string[] {
  return globSync(pattern, { cwd: root }).sort();
}

/** `concurrency` is that of one lane, and `timeoutMs` ends a test that hangs. */
async function runTests(stages: readonly Stage[], o: { concurrency: number; timeoutMs: number }): Promise<boolean> {
  const startedAt = performance.now();
  const ended: { code: number; output: string }[] = [];
  for (const { lanes } of stages) {
    const [first, ...beside] = await Promise.all(lanes.map((lane, index) => runFiles(lane, o, index === 0)));
    // What ran beside is shown when it has ended, or nobody could tell whose line is whose.
    for (const { output } of beside) process.stdout.write(output);
    ended.push(...(first ? [first] : []), ...beside);
  }
  const total = (...names: string[]): number =>
    ended.reduce((sum, { output }) => names.reduce((some, name) => some + count(output, name), sum), 0);
  const passed = total("pass");
  const failed = total("fail", "cancelled");
  const skipped = total("skipped", "todo");
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""} (${seconds} s)`);
  return ended.every(({ code, output }) => code === 0 && count(output, "pass") > 0);
}

function alone(files: readonly string[]): Stage[] {
  return [{ lanes: [{ files, pair: 1 }] }];
}

function runFiles({ files, pair }: Lane, o: { concurrency: number; timeoutMs: number }, show: boolean) {
  const bounds = [`--test-concurrency=${o.concurrency}`, `--test-timeout=${o.timeoutMs}`];
  // Told to end, Node says which file still ran.
  return run(["node", "--test", "--test-reporter=spec", ...bounds, ...files], show, {
    timeout: longestRunMs,
    env: environmentOf(pair, process.env),
  });
}

/** The number in a closing line of the spec reporter, such as "ℹ pass 12". */
function count(output: string, name: string): number {
  const lines = [...output.matchAll(new RegExp(`^ℹ ${name} (\\d+)$`, "gm"))];
  return Number(lines.at(-1)?.[1] ?? 0);
}

function hasClusters(): boolean {
  const missing = ["KUBECONFIG_A", "KUBECONFIG_B"].filter((name) => !process.env[name]);
  if (missing.length === 0) return hasImage();
  console.error(
    `The end-to-end tests need two Kubernetes clusters, and ${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} not set.
Set KUBECONFIG_A and KUBECONFIG_B to a kubeconfig file of a cluster administrator each, for instance
  KUBECONFIG_A=~/.kube/east KUBECONFIG_B=~/.kube/west make e2e
The tests install Fairlead's custom resource definitions there, and remove the namespaces that they made.`,
  );
  return false;
}

function hasImage(): boolean {
  if (process.env.E2E_AGENT_IMAGE) return true;
  console.error(
    `The end-to-end tests of the chart need the agent's image, and E2E_AGENT_IMAGE is not set.
Build it by \`make image IMAGE=registry.example.com/fairlead:test\`, put it where both clusters find it, and name it, with its tag:
  E2E_AGENT_IMAGE=registry.example.com/fairlead:test make e2e`,
  );
  return false;
}

/**
 * Runs a command from the root of the project and keeps what it says; `show` also passes it on as it comes. It is told to end
 * after `timeout` milliseconds; 0 lets it run for ever. `env` is told to it besides.
 */
function run(
  [command = "", ...args]: string[],
  show: boolean,
  { timeout = 0, env: more = {} }: { timeout?: number; env?: Readonly<Record<string, string>> } = {},
): Promise<{ code: number; output: string }> {
  const env = {
    ...process.env,
    ...more,
    // Hundreds of processes load the same modules: each takes half a second of a processor to compile them, or a quarter to find it done.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? `${root}.cache/compiled`,
    ...(show && process.stdout.isTTY && { FORCE_COLOR: "1" }),
  };
  const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"], timeout });
  let output = "";
  const take = (to: NodeJS.WriteStream) => (chunk: string) => {
    output += chunk;
    if (show) to.write(chunk);
  };
  child.stdout.setEncoding("utf8").on("data", take(process.stdout));
  child.stderr.setEncoding("utf8").on("data", take(process.stderr));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output: stripVTControlCharacters(output) }));
  });
}

function list(names: string[]): string {
  return names.length > 0 ? `: ${names.join(", ")}` : "";
}
