/**
 * Where the pages are: beside the program, as they were packed with it. A clone has none, but what they are made of, and the builder; there
 * they are built when somebody opens the console, and built anew when a source has changed since.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { type BuiltPages, readBuiltPages } from "./built-pages.ts";
import type { PagesDeps } from "./pages.ts";

const built = new URL("../../../dist/ui/", import.meta.url);
const builder = new URL("../../../ui/build.ts", import.meta.url);

/** How long the builder may take, in milliseconds: it takes a second. */
const buildMs = 60_000;

export type PageSource = Pick<PagesDeps, "read">;

/** Nothing is read before somebody asks. Rejects while the sources do not build, with what the builder says. */
export function createPageSource(o = { folder: built, builder }): PageSource {
  let kept: { readonly pages: Promise<BuiltPages>; readonly builtAt: number } | undefined;
  let building: Promise<unknown> | undefined;

  async function build(): Promise<void> {
    building ??= promisify(execFile)(process.execPath, [o.builder.pathname, "--if-stale"], { timeout: buildMs });
    await building.finally(() => {
      building = undefined;
    });
  }

  function keep(builtAt: number): Promise<BuiltPages> {
    if (kept?.builtAt === builtAt) return kept.pages;
    const pages = readBuiltPages(o.folder);
    kept = { pages, builtAt };
    pages.catch(() => {
      if (kept?.pages === pages) kept = undefined;
    });
    return pages;
  }

  const isClone = existsSync(o.builder);
  return {
    async read(wanted) {
      if (kept && (wanted === "kept" || !isClone)) return kept.pages;
      if (isClone) await build();
      return keep((await stat(new URL("pages.json", o.folder))).mtimeMs);
    },
  };
}
