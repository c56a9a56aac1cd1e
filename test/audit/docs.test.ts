/** docs/audit.md says what the program does: its Python proves what the program writes, and its table holds every action. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { createAuditLog } from "../../src/audit/audit-log.ts";
import { formatRecord } from "../../src/audit/entry.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createFakeClock } from "../base/fake-clock.ts";

const root = new URL("../..", import.meta.url).pathname;
const page = readFileSync(join(root, "docs/audit.md"), "utf8");

/** A log as an agent writes it, with texts that are hard to write in JSON. */
function writeLog(): string[] {
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => lines.push(line.trimEnd()) });
  const clock = createFakeClock();
  const audit = createAuditLog({ clock, log, instance: "a".repeat(32) });
  for (const message of [
    "plain",
    'quoted "so" \\ and / so',
    "ünïcode € 🦭 \u2028",
    "tab\tline\n",
    "\ud800 half",
    "<&>'",
  ]) {
    audit.record({
      action: "app.admit",
      actor: { peer: "berlin" },
      verdict: "denied",
      rule: "images/allowed",
      message,
    });
    log.info({ schema: "another" }, "not of the audit");
  }
  const after = audit.list().at(-2) ?? assert.fail();
  const next = createAuditLog({ clock, log, instance: "b".repeat(32), after });
  next.record({ action: "agent.start", actor: {}, verdict: "done" });
  next.record({ action: "app.stop", actor: {}, verdict: "done" });
  return lines;
}

suite("a stranger proves a log by the lines in docs/audit.md", () => {
  const program = /```python\n([\s\S]*?)```/.exec(page)?.[1] ?? "";

  test("they are twenty or so", () => {
    const count = program.split("\n").filter((line) => line.trim() !== "").length;
    assert.ok(count > 10 && count <= 24, `${count} lines`);
  });

  test("they agree with what the program writes, and find what was changed", () => {
    const honest = writeLog();
    const [ok, ...cases] = [
      honest,
      honest.map((line) => line.replace("plain", "plane")),
      honest.toSpliced(4, 1),
      honest.toSpliced(4, 0, honest[2] ?? ""),
      honest.with(4, honest[6] ?? "").with(6, honest[4] ?? ""),
    ].map(hasPython() ? prove : proveInTypeScript);
    assert.match(ok ?? "", /^8 entries, 0 do not fit, head [0-9a-f]{64}$/);
    for (const found of cases) assert.match(found, /line \d+: entry \d+ does not fit/);
  });

  test("the canonical form in words is the one that is hashed", () => {
    assert.match(proveInTypeScript(writeLog()), /^8 entries, 0 do not fit/);
  });

  function hasPython(): boolean {
    return spawnSync("python3", ["--version"]).status === 0;
  }

  function prove(lines: readonly string[]): string {
    const folder = mkdtempSync(join(tmpdir(), "fairlead-audit-"));
    try {
      writeFileSync(join(folder, "verify.py"), program);
      writeFileSync(join(folder, "agent.log"), lines.map((line) => `${line}\n`).join(""));
      const { stdout, stderr } = spawnSync("python3", ["verify.py", "agent.log"], { cwd: folder, encoding: "utf8" });
      assert.equal(stderr, "");
      return stdout.trim();
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** The same by the words of the page, for where there is no Python. Nothing of src is used. */
  function proveInTypeScript(lines: readonly string[]): string {
    const seen = new Map<unknown, number>();
    const told: string[] = [];
    let last: unknown;
    for (const [index, text] of lines.entries()) {
      const line = JSON.parse(text);
      if (line.schema !== "fairlead.audit/v1") continue;
      const { hash, level: _level, time: _time, msg: _msg, audit: _audit, ...entry } = line;
      const form = JSON.stringify(Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1))));
      const follows = last === undefined || seen.get(entry.previous) === entry.sequence - 1;
      const again =
        !["agent.start", "audit.restart"].includes(entry.action) && last !== undefined && entry.previous !== last;
      if (createHash("sha256").update(form).digest("hex") !== hash || !follows || again) {
        told.push(`line ${index + 1}: entry ${entry.sequence} does not fit`);
      }
      seen.set(hash, entry.sequence);
      last = hash;
    }
    return [...told, `${seen.size} entries, ${told.length} do not fit, head ${String(last)}`].join("\n");
  }
});

suite("the tables of docs/audit.md", () => {
  test("hold every name of an entry, and no other", () => {
    const audit = createAuditLog({ clock: createFakeClock(), log: createLog({ level: "silent" }) });
    const actor = { peer: "p", fingerprint: "f", person: "ada" };
    const rest = { target: "t", rule: "r", message: "m", correlation: "c" };
    const record = audit.record({ action: "app.admit", verdict: "held", actor, ...rest });
    assert.deepEqual(namesIn("## An entry"), Object.keys(formatRecord(record)));
  });

  test("hold every action that the program records, and no other", () => {
    const documented = namesIn("## What is recorded");
    const nouns = [...new Set(documented.map((action) => action.split(".", 1)[0]))].join("|");
    const paths = globSync("src/**/*.ts", { cwd: root }).filter((path) => !/^src\/(gen|sandbox|cli|demo)\//.test(path));
    const texts = paths.map((path) => withoutComments(readFileSync(join(root, path), "utf8")));
    const code = texts.filter((text) => /audit|record/i.test(text)).join("\n");
    // By a noun that is known, wherever it stands; by any other where it is plainly an action.
    const known = code.matchAll(new RegExp(`"((?:${nouns})\\.(?!(?:json|port)")[a-z-]+)"`, "g"));
    const plain = code.matchAll(/(?:\baction: |\brecord\()"([a-z]+\.[a-z-]+)"/g);
    const recorded = new Set([...known, ...plain].map(([, action = ""]) => action));
    assert.deepEqual(
      [...recorded].filter((action) => !documented.includes(action)),
      [],
      "not in docs/audit.md",
    );
    assert.deepEqual(
      documented.filter((action) => !recorded.has(action)),
      [],
      "only in docs/audit.md",
    );
  });

  /** What stands in the first column of the first table under a heading. */
  function namesIn(heading: string): string[] {
    const section = page.slice(page.indexOf(`${heading}\n`)).slice(heading.length);
    const table = /(^\|.*\n)+/m.exec(section)?.[0] ?? "";
    const cells = table
      .split("\n")
      .slice(2)
      .map((row) => row.split("|")[1] ?? "");
    return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name));
  }

  function withoutComments(text: string): string {
    return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  }
});
