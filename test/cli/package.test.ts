/** What `make build` packs works where there is nothing of the clone but the packages that it depends on. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";

const root = new URL("../..", import.meta.url).pathname;

suite("the package", { timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-test-"));
  const installed = join(directory, "node_modules", "fairlead");
  // As on another machine: Node and the system's programs, nothing of the clone.
  const env = { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: directory, TMPDIR: directory };
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { cwd: directory, env, encoding: "utf8" });

  before(() => {
    const packed = execFileSync(process.execPath, [join(root, "bin/pack.ts")], { cwd: root, encoding: "utf8" });
    mkdirSync(installed, { recursive: true });
    execFileSync("tar", ["-xzf", join(root, packed.trim()), "-C", installed, "--strip-components=1"]);
    symlinkSync(join(root, "node_modules"), join(installed, "node_modules"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test("tells its version", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    assert.equal(run(join(installed, "bin/fairlead"), "version", "--client"), `client ${version}\n`);
  });

  test("has the document of its API, which the console serves", () => {
    const path = "src/gen/openapi/openapi.yaml";
    assert.deepEqual(readFileSync(join(installed, path)), readFileSync(join(root, path)));
  });

  test("has the console's pages, built, and nothing that only their makers look at", () => {
    const { pages }: { pages: string[] } = JSON.parse(readFileSync(join(installed, "dist/ui/pages.json"), "utf8"));
    assert.ok(pages.includes("/apps") && !pages.includes("/gallery"), pages.join());
    const index = readFileSync(join(installed, "dist/ui/index.html"), "utf8");
    for (const [, path = ""] of index.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) {
      assert.ok(readFileSync(join(installed, "dist/ui", path)).length > 0, path);
    }
    assert.ok(!existsSync(join(installed, "ui")), "their sources stay in the clone");
  });

  test("runs the demo", () => {
    const shown = run(join(installed, "bin/fairlead"), "demo", "--once");
    assert.equal(shown.match(/^✔ /gm)?.length, 10, shown);
  });
});
