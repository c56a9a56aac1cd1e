/**
 * Builds the console's pages into `dist/ui`, or into the folder that is named. With `--if-stale` only when a source is younger than
 * what is there, which is how an agent that runs from a clone does it; with `--production` without what only its makers look at.
 */
import { createHash } from "node:crypto";
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { brotliCompressSync, gzipSync, constants as zlib } from "node:zlib";
import { build, type Metafile, type Plugin } from "esbuild";
import { iconNames } from "./src/model/icon-names.ts";
import { developmentPaths, pagePaths } from "./src/model/page-paths.ts";

const root = new URL("..", import.meta.url).pathname;
const entries = { main: "ui/src/main.ts", style: "ui/src/styles/style.css" };
/** A script by itself, which runs while the document is read. */
const theme = "ui/src/theme.ts";
/** What every page may use, in any case: no older browsers than a year or two. */
const target = ["es2022", "chrome123", "firefox120", "safari17.5"];
/** What pages are made of. */
const sources = [
  "ui/**/*.{ts,css,html,svg}",
  "src/{client,gen,base}/**/*.ts",
  "node_modules/.package-lock.json",
  "package-lock.json",
];
/** What is smaller than this gains nothing from being compressed. Bytes. */
const leastToCompress = 512;

const {
  values: { production = false, "if-stale": ifStale = false },
  positionals: [folder = join(root, "dist", "ui")],
} = parseArgs({
  options: { production: { type: "boolean" }, "if-stale": { type: "boolean" } },
  allowPositionals: true,
});
if (!ifStale || isStale(folder)) await buildPages(folder, { production });

async function buildPages(folder: string, o: { production: boolean }): Promise<void> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: Object.entries(entries).map(([out, path]) => ({ out, in: path })),
    outdir: "assets",
    bundle: true,
    splitting: true,
    format: "esm",
    target,
    minify: true,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    publicPath: "/assets/",
    loader: { ".svg": "file" },
    define: { DEVELOPMENT: String(!o.production) },
    plugins: [iconSprite()],
    legalComments: "none", // The licences are in a file of their own, whole.
    metafile: true,
    write: false,
    logLevel: "warning",
  });
  const files = new Map<string, Buffer>(
    outputFiles.map(({ path, contents }) => [`assets/${basename(path)}`, Buffer.from(contents)]),
  );
  const add = (name: string, ending: string, content: Buffer): string => {
    const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
    const path = `assets/${name}-${hash}.${ending}`;
    files.set(path, content);
    return `/${path}`;
  };
  const script = await build({
    absWorkingDir: root,
    entryPoints: [theme],
    bundle: true,
    minify: true,
    target,
    write: false,
  });
  const paths = {
    theme: add("theme", "js", Buffer.from(script.outputFiles[0]?.contents ?? [])),
    favicon: add("favicon", "svg", readFileSync(join(root, "ui/favicon.svg"))),
    licenses: add("licenses", "txt", Buffer.from(licencesOf(metafile))),
  };
  files.set("index.html", Buffer.from(toIndex(metafile, paths)));
  const pages = [...pagePaths, ...(o.production ? [] : developmentPaths)];
  files.set("pages.json", Buffer.from(`${JSON.stringify({ pages })}\n`));
  writeAll(folder, files);
}

/** The icons of the console as one file of symbols, so that a page names them and no markup is made of texts. */
function iconSprite(): Plugin {
  return {
    name: "icon sprite",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^fairlead:icons$/ }, () => ({ path: "icons.svg", namespace: "icons" }));
      onLoad({ filter: /.*/, namespace: "icons" }, () => ({ contents: sprite(), loader: "file" }));
    },
  };
}

function sprite(): string {
  const symbols = Object.entries(iconNames).map(([name, lucide]) => {
    const svg = readFileSync(join(root, `node_modules/lucide-static/icons/${lucide}.svg`), "utf8");
    const [, inside = ""] = /<svg[^>]*>([\s\S]*)<\/svg>/.exec(svg) ?? [];
    return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${inside.replaceAll(/\s*\n\s*/g, "")}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`;
}

function toIndex({ outputs }: Metafile, more: Readonly<Record<string, string>>): string {
  const byEntry = new Map(Object.entries(outputs).map(([path, output]) => [output.entryPoint, { path, output }]));
  const built = Object.entries(entries).map(([name, path]) => [name, urlOf(byEntry.get(path)?.path ?? "")]);
  const imports = byEntry.get(entries.main)?.output.imports ?? [];
  const preloads = imports
    .filter(({ kind }) => kind === "import-statement")
    .map(({ path }) => `<link rel="modulepreload" href="${urlOf(path)}">`);
  const words: Record<string, string> = { ...Object.fromEntries(built), ...more, preloads: preloads.join("\n") };
  return readFileSync(join(root, "ui/index.html"), "utf8").replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const word = words[name];
    if (word === undefined) throw new Error(`ui/index.html wants {{${name}}}, which nothing is built for.`);
    return word;
  });
}

function urlOf(output: string): string {
  return `/assets/${basename(output)}`;
}

/** The licence of each package of which there is something in the bundle, as it came with the package. */
function licencesOf({ inputs }: Metafile): string {
  const names = Object.keys(inputs).flatMap((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
  const texts = [...new Set([...names, "lucide-static"])].sort().map((name) => {
    const { version, license }: { version?: string; license?: string } = JSON.parse(
      readFileSync(join(root, "node_modules", name, "package.json"), "utf8"),
    );
    const [file] = globSync("LICEN[CS]E*", { cwd: join(root, "node_modules", name) });
    const text = file ? readFileSync(join(root, "node_modules", name, file), "utf8") : "";
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}

/** All at once: who reads meanwhile finds the former build or this one. */
function writeAll(folder: string, files: ReadonlyMap<string, Buffer>): void {
  const next = `${folder}.${process.pid}`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(join(next, "assets"), { recursive: true });
  for (const [path, content] of files) {
    writeFileSync(join(next, path), content);
    if (content.length < leastToCompress || path === "pages.json") continue;
    const params = { [zlib.BROTLI_PARAM_QUALITY]: production ? 11 : 5, [zlib.BROTLI_PARAM_SIZE_HINT]: content.length };
    writeFileSync(join(next, `${path}.br`), brotliCompressSync(content, { params }));
    writeFileSync(join(next, `${path}.gz`), gzipSync(content, { level: production ? 9 : 6 }));
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(next, folder);
}

function isStale(folder: string): boolean {
  const built = statSync(join(folder, "pages.json"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return sources
    .flatMap((pattern) => globSync(pattern, { cwd: root }))
    .some((path) => statSync(join(root, path)).mtimeMs > built);
}
