/**
 * Makes `dist/fairlead-<version>.tgz`, which `npm install` puts anywhere: Node strips no types under `node_modules`,
 * so the package holds JavaScript with declarations beside it, in the folders of the sources, and the console's pages as they
 * are built. With `--unpacked FOLDER` it writes what of that an agent runs into a folder instead, for the image.
 */
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const root = new URL("..", import.meta.url).pathname;
const { unpacked } = parseArgs({ options: { unpacked: { type: "string" } } }).values;
const stage = unpacked ?? join(root, "dist", "package");

rmSync(stage, { recursive: true, force: true });
mkdirSync(stage, { recursive: true });
const emit = ["--noEmit", "false", "--outDir", stage, "--rewriteRelativeImportExtensions"];
if (unpacked === undefined) emit.push("--declaration");
run(join(root, "node_modules", ".bin", "tsc"), ["--project", join(root, "tsconfig.build.json"), ...emit]);
const data = globSync("src/**/*.{json,yaml}", { cwd: root });
const documents = unpacked === undefined ? ["charts", "README.md", "CHANGELOG.md"] : ["charts/fairlead/crds"];
run(process.execPath, [join(root, "ui/build.ts"), "--production", join(stage, "dist/ui")]);
for (const name of [...data, ...documents, "bin/fairlead", "LICENSE"]) {
  cpSync(join(root, name), join(stage, name), { recursive: true });
}
writeFileSync(join(stage, "package.json"), `${JSON.stringify(describePackage(), null, 2)}\n`);
if (unpacked === undefined) {
  const packed = run("npm", ["pack", "--silent", "--pack-destination", join(root, "dist"), stage]).trim();
  rmSync(stage, { recursive: true });
  console.log(`dist/${packed}`);
}

/** Ours without what only a clone needs, its TypeScript named as the JavaScript that it became. */
function describePackage(): object {
  const {
    scripts: _scripts,
    devDependencies: _dev,
    private: _private,
    ...kept
  } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const exports = Object.fromEntries(Object.entries<Exported>(kept.exports).map(([name, to]) => [name, compiled(to)]));
  return { ...kept, exports };
}

/** A file, or one for each condition. */
type Exported = string | { readonly [condition: string]: Exported };

/** The same, as what the compiler makes of it. */
function compiled(to: Exported): object {
  if (typeof to !== "string")
    return Object.fromEntries(Object.entries(to).map(([name, each]) => [name, compiled(each)]));
  const base = to.replace(/\.ts$/, "");
  return { types: `${base}.d.ts`, default: `${base}.js` };
}

function run(command: string, args: string[]): string {
  return execFileSync(command, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}
