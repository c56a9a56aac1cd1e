import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { formatAge, formatTable, harmless, plain, sinceOf } from "../../src/cli/table.ts";

interface Row {
  readonly name: string;
  readonly state: string;
}

const columns = [
  { head: "NAME", cell: ({ name }: Row) => name },
  { head: "STATE", cell: ({ state }: Row) => state, tone: () => "bad" as const },
  { head: "LENGTH", cell: ({ name }: Row) => String(name.length), wide: true },
];

suite("tables", () => {
  test("columns are as wide as their widest cell, three spaces apart, without spaces at the end", () => {
    const rows = [
      { name: "a", state: "Ready" },
      { name: "longer", state: "" },
    ];
    const { text } = formatTable(columns, rows, { wide: false, head: true });
    assert.equal(text, "NAME     STATE\na        Ready\nlonger   <none>");
  });

  test("wide columns are shown only when asked for", () => {
    const rows = [{ name: "a", state: "b" }];
    assert.equal(
      formatTable(columns, rows, { wide: true, head: true }).text,
      "NAME   STATE   LENGTH\na      b       1",
    );
  });

  test("a later part of a table keeps the widths of the earlier", () => {
    const before = formatTable(columns, [{ name: "a-long-name", state: "x" }], { wide: false, head: true });
    const after = formatTable(columns, [{ name: "b", state: "y" }], {
      wide: false,
      head: false,
      widths: before.widths,
    });
    assert.equal(after.text, "b             y");
  });

  test("colours do not move columns", () => {
    const rows = [{ name: "a", state: "b" }];
    const { text } = formatTable([...columns].reverse(), rows, { wide: true, head: false, colours: true });
    assert.equal(text, "1        \u001b[31mb    \u001b[39m   a");
  });

  test("whatever a peer puts into a cell stays one line without control characters", () => {
    const hostile = fc.string({ unit: "binary", maxLength: 60 });
    fc.assert(
      fc.property(hostile, hostile, (name, state) => {
        const { text } = formatTable(columns, [{ name: `\u001b]0;title\u0007${name}\r\n`, state }], {
          wide: true,
          head: false,
        });
        assert.doesNotMatch(text, /\p{Cc}/u);
      }),
      { numRuns: 200 },
    );
  });

  test("100,000 rows are no trouble", () => {
    const rows = Array.from({ length: 100_000 }, (_, index) => ({ name: `app-${index}`, state: "Ready" }));
    assert.equal(formatTable(columns, rows, { wide: false, head: true }).text.split("\n").length, 100_001);
  });

  test("texts that turn the direction of writing lose what turns it", () => {
    assert.equal(plain("shop\u202egnp.exe"), "shop gnp.exe");
  });
});

suite("lines of logs at a terminal", () => {
  test("keep colours and tabs, and lose what moves, hides or renames", () => {
    const line = "\u001b[32mGET\u001b[0m\t/\u001b[2J\u001b]0;root\u0007 done\r";
    assert.equal(harmless(line), "\u001b[32mGET\u001b[0m\t/ done \u001b[0m");
    assert.equal(harmless("plain text"), "plain text");
  });
});

suite("ages", () => {
  for (const [seconds, text] of [
    [0, "0s"],
    [119, "119s"],
    [120, "2m"],
    [192, "3m12s"],
    [3600, "60m"],
    [4 * 3600, "4h"],
    [4 * 3600 + 300, "4h5m"],
    [47 * 3600, "47h"],
    [12 * 86_400, "12d"],
    [-5, "0s"],
  ] as const) {
    test(`${seconds} seconds are ${text}`, () => assert.equal(formatAge(seconds * 1000), text));
  }

  test("no time has no age", () => {
    assert.equal(sinceOf(undefined, 0), "");
    assert.equal(sinceOf("nonsense", 0), "");
    assert.equal(sinceOf("1970-01-01T00:00:00Z", 5000), "5s");
  });
});
