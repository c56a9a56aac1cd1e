import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const root = new URL("..", import.meta.url).pathname;
const pages = globSync(["*.md", "docs/**/*.md"], { cwd: root }).map((path) => ({
  path,
  text: readFileSync(join(root, path), "utf8"),
}));

test("a link to a file of the project leads to one", () => {
  const broken = pages.flatMap(({ path, text }) =>
    [...text.replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, "").matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1] ?? "")
      .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(root, dirname(path), target)))
      .map((target) => `${path} links to ${target}`),
  );
  assert.deepEqual(broken, []);
});

test("what the pages say to make can be made", () => {
  const targets = [...readFileSync(join(root, "Makefile"), "utf8").matchAll(/^([a-z][a-z0-9-]*):/gm)].map(
    (match) => match[1],
  );
  const asked = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/(?:^|`)make ([a-z][a-z0-9-]*)/gm)].map((match) => ({ path, target: match[1] })),
  );
  assert.ok(asked.length > 5);
  assert.deepEqual(
    asked.filter(({ target }) => !targets.includes(target)),
    [],
  );
});

test("every target is explained by make help", () => {
  const makefile = readFileSync(join(root, "Makefile"), "utf8");
  const phony = [...makefile.matchAll(/^\.PHONY: (\S+)$/gm)].map((match) => match[1]);
  const explained = [...makefile.matchAll(/^([a-z][a-z0-9-]*):.*## \S/gm)].map((match) => match[1]);
  assert.deepEqual(explained, phony);
});
