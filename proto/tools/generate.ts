/**
 * Runs the plugins of the templates below. `node proto/tools/generate.ts` brings the committed files up to date, touching only
 * those that differ; with `--check` it changes nothing, names what is out of date and ends with 1.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "yaml";

const root = new URL("../..", import.meta.url).pathname;
const templates = ["buf.gen.yaml", "test/proto/buf.gen.yaml"];
const checking = process.argv.includes("--check");
const fresh = join(root, ".cache", `generated-${process.pid}`);

interface Difference {
  path: string;
  /** What the file should hold; undefined when it should not be there. */
  content?: Buffer;
}

try {
  for (const template of templates) {
    const args = ["generate", "--template", template, "--output", fresh];
    execFileSync("buf", args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  }
  const differences = outputFolders().flatMap(compareFolder);
  for (const { path } of differences) console.error(`${checking ? "out of date" : "generated"}: ${path}`);
  if (!checking) differences.forEach(write);
  else if (differences.length > 0) {
    console.error("Generated files differ from what the protos say. Run `make generate` and commit the result.");
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

function outputFolders(): string[] {
  const folders = templates.flatMap((template) => {
    const config: { plugins: { out: string }[] } = parse(readFileSync(join(root, template), "utf8"));
    return config.plugins.map((plugin) => plugin.out);
  });
  return [...new Set(folders)];
}

function compareFolder(folder: string): Difference[] {
  const wanted = listFiles(join(fresh, folder));
  const present = listFiles(join(root, folder));
  const changed = wanted
    .map((name) => ({ path: join(folder, name), content: readFileSync(join(fresh, folder, name)) }))
    .filter(({ path, content }) => !existsSync(join(root, path)) || !readFileSync(join(root, path)).equals(content));
  const stale = present.filter((name) => !wanted.includes(name)).map((name) => ({ path: join(folder, name) }));
  return [...changed, ...stale];
}

function listFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

function write({ path, content }: Difference): void {
  const target = join(root, path);
  if (!content) {
    rmSync(target);
    return;
  }
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, content);
}
