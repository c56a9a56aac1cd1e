/**
 * What `make conformance` runs: Connect's own conformance suite, over the link. See README.md beside it for what it shows.
 * Ends with the counts of each mode, and with 0 only if all passed. Names of modes and of cases as arguments run only these; those of cases say more.
 */
import { execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findGo } from "./go.ts";
import { runTools } from "./tools.ts";

const suite = "connectrpc.com/conformance";
const version = "v1.0.7";
const root = new URL("../..", import.meta.url).pathname;
const here = "test/conformance";
/** The suite's programs and what is generated from its protos: never committed, and made once a version. */
const cache = join(root, ".cache/conformance", version);
const runner = join(cache, "bin/connectconformance");
/** The longest that one mode may take, in milliseconds. */
const longestMs = 120_000;
/** For the programs under test to say what is open, when it took longer. */
const lastWordsMs = 2_000;

interface Mode {
  readonly name: string;
  /** As the runner knows it; the name unless given. */
  readonly mode?: string;
  /** What of the suite applies. */
  readonly features?: string;
  /** What is under test, as the runner starts it. */
  readonly programs: string[];
}

const client = (way: string): string[] => ["node", join(here, "program/client.ts"), way];
const server = (way: string): string[] => ["node", join(here, "program/server.ts"), way];
const modes: Mode[] = [
  { name: "server", programs: server("bridge") },
  { name: "client", programs: client("bridge") },
  { name: "both", programs: [...client("direct"), "----", ...server("direct")] },
  {
    name: "console",
    mode: "server",
    features: "features-console.yaml",
    programs: ["node", join(here, "program/console.ts")],
  },
];

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;

async function main(args: string[]): Promise<boolean> {
  const only = modes.filter(({ name }) => args.includes(name));
  const cases = args.filter((name) => name !== "tools" && !only.some((mode) => mode.name === name));
  if (!existsSync(runner)) {
    const env = { ...process.env, GOBIN: join(cache, "bin"), GOTOOLCHAIN: "auto" };
    execFileSync(findGo(), ["install", `${suite}/cmd/connectconformance@${version}`], { env, stdio: ["ignore", 1, 2] });
  }
  generate();
  execFileSync("tsc", ["--project", join(here, "program")], { cwd: root, stdio: ["ignore", 1, 2] });
  const told: string[] = [];
  let passed = 0;
  let failed = 0;
  for (const mode of args.length > cases.length ? only : modes) {
    let outcome = await run(mode, cases);
    if (outcome.lockedUp) {
      console.error(
        "The suite's runner has locked up with every call answered, as it does on a machine that is too busy: once more.",
      );
      outcome = await run(mode, cases);
    }
    const { code, output, seconds } = outcome;
    const [, all = "no"] = /^Total cases: (\d+)$/m.exec(output) ?? [];
    const [counts = "", well = "0", ill = "0"] = /^(\d+) passed, (\d+) failed.*$/m.exec(output) ?? [];
    // A mode that did not come to its end has failed, whatever it counted.
    passed += Number(well);
    failed += code === 0 ? 0 : Math.max(1, Number(ill));
    const asKnown = /(\d+) failed as expected/.exec(output)?.[1] ?? "none";
    told.push(
      `conformance, mode ${mode.name}: ${all} cases, ${counts || "not counted"}, ${asKnown} that must fail (${seconds} s)`,
    );
  }
  if (args.length === 0 || args.includes("tools")) {
    for (const { claim, trouble } of await runTools(join(cache, "tools"))) {
      console.log(`${trouble === undefined ? "✔" : "✖"} ${claim}${trouble === undefined ? "" : `\n${trouble}`}`);
      if (trouble === undefined) passed += 1;
      else failed += 1;
    }
  }
  console.log(`\n${told.join("\n")}\n${passed} passed, ${failed} failed`);
  return failed === 0;
}

/** From the protos that the module brings. */
function generate(): void {
  const out = join(root, ".cache/conformance/gen");
  const download = ["mod", "download", "-json", `${suite}@${version}`];
  const { Dir: module }: { Dir: string } = JSON.parse(execFileSync("go", download, { encoding: "utf8" }));
  const protos = join(cache, "proto");
  rmSync(protos, { recursive: true, force: true });
  mkdirSync(protos, { recursive: true });
  // Without the module's own settings for buf, which would have it ask the internet, and without its file modes.
  for (const name of ["config", "service", "client_compat", "server_compat"]) {
    const path = `connectrpc/conformance/v1/${name}.proto`;
    cpSync(join(module, "proto", path), join(protos, path), { mode: 0 });
  }
  declareAccess(join(protos, "connectrpc/conformance/v1/service.proto"));
  const opt = ["target=ts", "import_extension=ts", "erasable_syntax=true"];
  const template = JSON.stringify({ version: "v2", clean: true, plugins: [{ local: "protoc-gen-es", out, opt }] });
  execFileSync("buf", ["generate", protos, "--template", template], { cwd: root, stdio: ["ignore", 1, 2] });
}

/** The console serves nothing that does not say what it needs of its caller. Here, that there is one: what `(access)` of ours says, by its numbers. */
function declareAccess(path: string): void {
  const text = readFileSync(path, "utf8");
  const option = "option (test_access) = { scope: 7 };";
  const methods = text.replaceAll(
    /(rpc \w+\([\w ]+\) returns \([\w ]+\))( \{|;)/g,
    (_all, head: string, end: string) => (end === ";" ? `${head} { ${option} }` : `${head} { ${option}`),
  );
  const declared = `
message TestAccess { int32 scope = 2; }
extend google.protobuf.MethodOptions { optional TestAccess test_access = 51210; }
`;
  const imported = methods.replace(/^import /m, 'import "google/protobuf/descriptor.proto";\n$&');
  writeFileSync(path, imported + declared);
}

interface Outcome {
  readonly code: number;
  readonly output: string;
  readonly seconds: number;
  /** It did not come to its end, and that was nothing of ours: each stream of each session was over. See README.md. */
  readonly lockedUp: boolean;
}

async function run(mode: Mode, cases: string[]): Promise<Outcome> {
  const startedAt = performance.now();
  const known = join(here, "known-failing", `${mode.name}.txt`);
  const names = readFileSync(join(root, known), "utf8").split("\n");
  const args = [
    "--max-servers",
    "2",
    "--mode",
    mode.mode ?? mode.name,
    "--conf",
    join(here, mode.features ?? "features.yaml"),
  ];
  if (names.some((line) => line !== "" && !line.startsWith("#"))) args.push("--known-failing", `@${known}`);
  for (const name of cases) args.push("--run", name, "--trace");
  const command = [...args, "--", ...mode.programs];
  // The suite waits a few seconds for each program under test to begin, of which it starts a dozen.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(root, ".cache/compiled") };
  const child = spawn(runner, command, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const timers: NodeJS.Timeout[] = [];
  const tell = (signal: "SIGUSR2" | "SIGKILL"): void => {
    // With the programs that it has started: those hold on to its output, whose end is waited for.
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  };
  let isLate = false;
  timers.push(
    setTimeout(() => {
      isLate = true;
      console.error(`Mode ${mode.name} has not come to its end in ${longestMs / 1000} s, and is ended. What was open:`);
      tell("SIGUSR2");
      timers.push(setTimeout(() => tell("SIGKILL"), lastWordsMs));
    }, longestMs),
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      process.stdout.write(text.replaceAll(/^(?=.)/gm, "  "));
    });
  }
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (ended) => resolve(ended ?? 1));
  });
  for (const timer of timers) clearTimeout(timer);
  const open = [...output.matchAll(/^\d+ sessions, (\d+) streams open$/gm)].map(([, streams]) => Number(streams));
  const lockedUp = isLate && open.length > 0 && open.every((streams) => streams === 0);
  return { code, output, seconds: Math.round((performance.now() - startedAt) / 1000), lockedUp };
}
