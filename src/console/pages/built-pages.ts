/** What `ui/build.ts` has made, as files to be served: read once, and kept. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname } from "node:path";

export type Encoding = "br" | "gzip";

export interface PageFile {
  readonly type: string;
  /** Of its content, quoted, as a header has it. */
  readonly tag: string;
  /** In which it is there beside its plain form, the smallest first. */
  readonly encodings: readonly Encoding[];
  read(encoding: Encoding | undefined): Promise<Buffer>;
}

export interface BuiltPages {
  /** The document of every page. */
  readonly index: PageFile;
  /** By the path of their URL. */
  readonly assets: ReadonlyMap<string, PageFile>;
  /** Paths of pages; a segment that begins with a colon stands for any. */
  readonly pages: readonly string[];
}

/** Whether the console has a page there. */
export function isPage({ pages }: Pick<BuiltPages, "pages">, path: string): boolean {
  const parts = path.split("/");
  return pages.some((page) => {
    const wanted = page.split("/");
    return wanted.length === parts.length && wanted.every((part, i) => part === parts[i] || isAny(part, parts[i]));
  });
}

function isAny(part: string, given: string | undefined): boolean {
  return part.startsWith(":") && given !== undefined && given !== "";
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};
const endings: readonly (readonly [Encoding, string])[] = [
  ["br", ".br"],
  ["gzip", ".gz"],
];

/** Rejects when nothing is built there. */
export async function readBuiltPages(folder: URL): Promise<BuiltPages> {
  const { pages }: { pages: string[] } = JSON.parse(await readFile(new URL("pages.json", folder), "utf8"));
  const names = await readdir(new URL("assets/", folder));
  const assets = names.filter((name) => types[extname(name)] !== undefined);
  const there = new Set(names.map((name) => `assets/${name}`));
  for (const name of await readdir(folder)) there.add(name);
  const files = assets.map(async (name) => [`/assets/${name}`, await fileOf(folder, `assets/${name}`, there)] as const);
  return { index: await fileOf(folder, "index.html", there), assets: new Map(await Promise.all(files)), pages };
}

async function fileOf(folder: URL, path: string, there: ReadonlySet<string>): Promise<PageFile> {
  const kept = new Map<string, Promise<Buffer>>();
  const read = (encoding: Encoding | undefined): Promise<Buffer> => {
    const file = path + (endings.find(([name]) => name === encoding)?.[1] ?? "");
    const content = kept.get(file) ?? readFile(new URL(file, folder));
    kept.set(file, content);
    return content;
  };
  const hash = createHash("sha256").update(await read(undefined));
  return {
    type: types[extname(path)] ?? "application/octet-stream",
    tag: `"${hash.digest("base64url").slice(0, 22)}"`,
    encodings: endings.filter(([, ending]) => there.has(path + ending)).map(([name]) => name),
    read,
  };
}
