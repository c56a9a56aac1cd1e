import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { checkArchitecture, type SourceFile } from "./architecture/rules.ts";

const root = new URL("..", import.meta.url).pathname;

/** A tree of files with these imports, for instance { "src/wire/a.ts": ["../link/b.ts"] }. */
function tree(imports: Record<string, string[]>): SourceFile[] {
  return Object.entries(imports).map(([path, names]) => ({
    path,
    text: names.map((name, index) => `import { a${index} } from "${name}";\n`).join(""),
  }));
}

function assertBroken(files: SourceFile[], ...expected: RegExp[]): void {
  const broken = checkArchitecture(files);
  assert.equal(broken.length, expected.length, broken.join("\n"));
  for (const [index, pattern] of expected.entries()) assert.match(broken[index] ?? "", pattern);
}

test("the house is built as it is drawn", () => {
  const paths = globSync(["{src,ui,test,bench,proto,bin,docs}/**/*.{ts,css}"], { cwd: root });
  const files = paths.map((path) => ({ path, text: readFileSync(root + path, "utf8") }));
  assert.ok(files.length > 50, `only ${files.length} files were found`);
  const broken = checkArchitecture(files);
  assert.equal(broken.length, 0, `\n${broken.join("\n")}\n`);
});

test("an import downward, inside a room, or of a free package breaks nothing", () => {
  assertBroken(
    tree({
      "src/base/a.ts": ["node:util", "yaml"],
      "src/wire/a.ts": ["../base/a.ts", "./b.ts"],
      "src/wire/b.ts": ["../gen/fairlead/wire/v1/frame_pb.ts"],
      "src/link/a.ts": ["../wire/a.ts", "ws"],
      "src/tunnel/http/a.ts": ["../../link/a.ts", "../b.ts"],
      "src/agent.ts": ["./config.ts", "./tunnel/b.ts"],
      "src/main.ts": ["./agent.ts", "./cli/program.ts"],
      "src/config.ts": ["./config-schema.ts"],
      "test/wire/a.test.ts": ["../../src/main.ts", "ws"],
      "ui/src/state/a.ts": [
        "../../../src/gen/fairlead/console/v1/a_pb.ts",
        "../../../src/client/browser.ts",
        "../model/a.ts",
      ],
      "ui/src/pages/a.ts": ["../dialogs/b.ts", "../elements/c.ts", "../state/d.ts", "../model/e.ts"],
      "ui/src/main.ts": ["../../src/base/clock.ts", "./app-shell.ts"],
    }),
  );
});

test("an import upward is refused, also of a type, also a dynamic one, also over several lines", () => {
  const upward =
    /src\/wire\/a\.ts imports src\/link\/b\.ts: that goes upward, from floor 1 \(wire\) to floor 2 \(link\)/;
  for (const text of [
    `import { b } from "../link/b.ts";`,
    `import type { B } from "../link/b.ts";`,
    `export * from "../link/b.ts";`,
    `import {\n  b,\n  type C,\n} from "../link/b.ts";`,
    `import "../link/b.ts";`,
    `const b = await import("../link/b.ts");`,
  ]) {
    assertBroken([{ path: "src/wire/a.ts", text }], upward);
  }
});

test("an import that stands in a comment is none", () => {
  const text = `/**\n * import { b } from "../link/b.ts";\n */\n// import "../link/b.ts";\n`;
  assertBroken([{ path: "src/wire/a.ts", text }]);
});

test("an import sideways is refused on every floor", () => {
  assertBroken(
    tree({ "src/workloads/a.ts": ["../tunnel/b.ts"] }),
    /goes sideways\. workloads and tunnel share floor 4/,
  );
  assertBroken(tree({ "src/rpc/a.ts": ["../link/b.ts"] }), /goes sideways/);
  assertBroken(tree({ "src/identity/a.ts": ["../telemetry/log.ts"] }), /goes sideways/);
  assertBroken(tree({ "src/agent.ts": ["./main.ts"] }), /goes sideways/);
});

test("the UI, the CLI, the sandbox and src as a whole see no more than they may", () => {
  assertBroken(
    tree({ "ui/src/a.ts": ["../../src/console/b.ts"] }),
    /the console's pages see src\/gen, src\/client and src\/base\/clock\.ts/,
  );
  assertBroken(tree({ "src/cli/a.ts": ["../peering/b.ts"] }), /cli may import base, gen, client, config, because/);
  assertBroken(tree({ "src/sandbox/a.ts": ["../kube/b.ts"] }), /sandbox may import base, because/);
  assertBroken(tree({ "src/base/a.ts": ["../../test/base/fake-clock.ts"] }), /never imports what is beside src/);
});

test("a folder that is no room of the house is refused", () => {
  assertBroken(tree({ "src/cellar/a.ts": ["../base/b.ts"] }), /"cellar" is no room of the house/);
});

test("a second importer of a wrapped library is refused", () => {
  assertBroken(tree({ "src/console/a.ts": ["ws"] }), /src\/console\/a\.ts imports ws: only src\/link does/);
  assertBroken(tree({ "src/link/a.ts": ["@fastify/static"] }), /only src\/console does/);
  assertBroken(tree({ "src/kube/a.ts": ["prom-client/lib/registry.js"] }), /only src\/telemetry does/);
  assertBroken(tree({ "src/kube/a.ts": ["wsx", "@kubernetes/client-node"] }));
});

test("an import cycle is told once, with the way round", () => {
  assertBroken(
    tree({ "src/wire/b.ts": ["./c.ts"], "src/wire/c.ts": ["./a.ts"], "src/wire/a.ts": ["./b.ts", "../base/x.ts"] }),
    /^src\/wire\/a\.ts → src\/wire\/b\.ts → src\/wire\/c\.ts → src\/wire\/a\.ts: an import cycle/,
  );
});

test("a file of more than 400 lines is refused, unless it is generated", () => {
  const text = "// line\n".repeat(401);
  assertBroken(
    [{ path: "test/wire/a.test.ts", text }],
    /test\/wire\/a\.test\.ts has 401 lines: a file has 400 at most/,
  );
  assertBroken([{ path: "src/wire/a.ts", text: text.slice(8) }]);
  assertBroken([{ path: "src/gen/a_pb.ts", text }]);
});

test("a name that says nothing is refused, and so is one that is not in kebab-case", () => {
  assertBroken(tree({ "src/wire/utils.ts": [] }), /"utils" names no purpose/);
  assertBroken(tree({ "src/link/common/a.ts": [] }), /"common" names no purpose/);
  assertBroken(tree({ "src/link/sessionTable.ts": [] }), /"sessionTable" is not in kebab-case/);
  assertBroken(tree({ "src/kube/types.ts": [] }), /"types" names no purpose/);
});

test("mutable state of a module is refused", () => {
  assertBroken([{ path: "src/wire/a.ts", text: "const a = 1;\nlet count = 0;\n" }], /"count" is mutable state/);
  assertBroken([{ path: "src/wire/a.ts", text: "function a() {\n  let count = 0;\n  return count;\n}\n" }]);
});
