/**
 * The published client, from where another package has it: what `make build` packs, beside a package that uses it. Compiles and
 * runs the examples of the README and of docs/api.md as they stand, but for where the agent is.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";
import { startWorldWithWeb, type World } from "../cli/world.ts";

const root = new URL("../..", import.meta.url).pathname;
const examples = ["README.md", "docs/api.md"].flatMap((page) =>
  [...readFileSync(join(root, page), "utf8").matchAll(/```ts\n(.*?)```/gs)].map(([, text = ""], index) => ({
    name: `${page.replace(/\W/g, "-").toLowerCase()}-${index + 1}`,
    text,
  })),
);

suite("the published client", { timeout: 300_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-test-"));
  const inside = (...path: string[]): string => join(directory, ...path);
  let world: World;

  before(async () => {
    const packed = execFileSync(process.execPath, [join(root, "bin/pack.ts")], { cwd: root, encoding: "utf8" });
    mkdirSync(inside("node_modules/fairlead"), { recursive: true });
    execFileSync("tar", [
      "-xzf",
      join(root, packed.trim()),
      "-C",
      inside("node_modules/fairlead"),
      "--strip-components=1",
    ]);
    symlinkSync(join(root, "node_modules"), inside("node_modules/fairlead/node_modules"));
    symlinkSync(join(root, "node_modules/@types"), inside("node_modules/@types"));
    writeFileSync(inside("package.json"), '{ "type": "module" }');
    world = await startWorldWithWeb();
    const { host } = new URL(world.lisbon.consoleUrl);
    for (const { name, text } of examples) {
      writeFileSync(inside(`${name}.ts`), text.replaceAll("localhost:8000", host));
    }
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  /** What the program in the file prints. */
  async function run(file: string): Promise<string> {
    const env = { ...process.env, FAIRLEAD_TOKEN: world.lisbon.token };
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: directory, env, timeout: 60_000 });
    return stdout;
  }

  test("has types with which every example compiles, for Node and for bundlers", () => {
    assert.ok(examples.length >= 3);
    for (const [module, moduleResolution] of [
      ["nodenext", "nodenext"],
      ["esnext", "bundler"],
    ] as const) {
      const compilerOptions = {
        target: "es2024",
        module,
        moduleResolution,
        strict: true,
        noEmit: true,
        types: ["node"],
      };
      writeFileSync(inside("tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
      const { stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["--project", directory], { encoding: "utf8" });
      assert.equal(stdout, "", moduleResolution);
    }
  });

  test("does in each example what the example says", async () => {
    const said = new Map<string, string>();
    for (const { name } of examples) said.set(name, await run(`${name}.ts`));
    assert.equal(said.get("readme-md-1"), "web Ready\n");
    assert.equal(said.get("docs-api-md-1"), "[ 'web' ]\nref.namespace breaks string.pattern\n");
    assert.equal(said.get("docs-api-md-2"), "lisbon\n");
  });

  test("is bundled for browsers with nothing of Node in it, and calls an agent from there", async () => {
    const program = `
      import { createFairleadClient, explainError, Code } from "fairlead/client";
      const [url, token] = [${JSON.stringify(world.lisbon.consoleUrl)}, ${JSON.stringify(world.lisbon.token)}];
      const { peers } = await createFairleadClient({ url, token }).peers.listPeers({});
      const refused = await createFairleadClient({ url }).peers.listPeers({}).catch(explainError);
      console.log(peers[0].metadata.name, Code[refused.code]);`;
    const { metafile, errors, warnings } = await build({
      stdin: { contents: program, resolveDir: directory },
      bundle: true,
      // With this, what is Node's cannot be found, which is an error.
      platform: "browser",
      format: "esm",
      minify: true,
      metafile: true,
      outfile: inside("bundle.mjs"),
      logLevel: "silent",
    });
    assert.deepEqual([...errors, ...warnings], []);
    const files = Object.keys(metafile.inputs);
    assert.deepEqual(
      files.filter((file) => /connect-node|^node:|client\/(node|session)\./.test(file)),
      [],
    );
    assert.ok(files.some((file) => file.endsWith("src/client/browser.js")));
    assert.equal(await run("bundle.mjs"), "berlin Unauthenticated\n");
  });

  test("gives out the messages of the protos", async () => {
    writeFileSync(
      inside("messages.mjs"),
      'import { AppSchema } from "fairlead/proto/console/v1/app_service"; console.log(AppSchema.typeName);',
    );
    assert.equal(await run("messages.mjs"), "fairlead.console.v1.App\n");
  });
});
