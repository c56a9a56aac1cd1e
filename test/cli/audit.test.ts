/** Who asked what, and whether the record of it is whole, by command line. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createAuditLog } from "../../src/audit/audit-log.ts";
import { exitCode } from "../../src/cli/errors.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { openOffices } from "./offices.ts";
import { run } from "./world.ts";

/** The log of an agent that did three things, one line each, and the hash of the second. */
function writeLog(): { lines: string[]; noted: string } {
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => lines.push(line.trimEnd()) });
  log.info({}, "something else");
  const audit = createAuditLog({ clock: createFakeClock(), log });
  const entry = { actor: { peer: "west" }, verdict: "allowed" } as const;
  audit.record({ ...entry, action: "app.admit", target: "shop/a" });
  const { hash } = audit.record({ ...entry, action: "app.admit", target: "shop/b" });
  audit.record({ ...entry, action: "app.admit", target: "shop/c" });
  return { lines, noted: hash };
}

const verify = (lines: readonly string[], ...args: string[]): ReturnType<typeof run> =>
  run(undefined, ["audit", "verify", "-f", "-", ...args], { input: lines.join("\n") });

suite("fairlead audit verify -f", () => {
  test("finds a log intact, without an agent, whatever else is in it", async () => {
    const { lines, noted } = writeLog();
    const { code, out, err } = await verify(lines, "--noted", noted);
    assert.equal(code, 0, err);
    assert.match(out, /^intact: 3 entries, 1 to 3\nhead: [0-9a-f]{64}\n$/);
  });

  test("names what was altered and what is missing", async () => {
    const { lines } = writeLog();
    const altered = await verify(lines.map((line) => line.replace("shop/b", "shop/x")));
    assert.equal(altered.code, exitCode.failed);
    assert.match(altered.out, /^line 3: entry 2 is not as it was written\./m);
    assert.match(altered.err, /^error: the audit is not intact/);
    const cut = await verify(lines.filter((line) => !line.includes("shop/b")));
    assert.equal(cut.code, exitCode.failed);
    assert.match(cut.out, /entry 2 is missing before entry 3/);
  });

  test("a hash that was noted shows that the last entries are missing, which the chain alone cannot", async () => {
    const { lines, noted } = writeLog();
    const short = lines.slice(0, 2);
    assert.equal((await verify(short)).code, 0);
    const { code, out } = await verify(short, "--noted", noted);
    assert.equal(code, exitCode.failed);
    assert.match(out, /hash that was noted is not among them/);
  });

  test("a text without any entry, and a hash that is none, are mistakes of the command line", async () => {
    const none = await verify(["hello"]);
    assert.equal(none.code, exitCode.usage);
    assert.match(none.err, /standard input holds no entry.*\n.*kubectl .*logs/);
    assert.equal((await verify(["hello"], "--noted", "abc")).code, exitCode.usage);
  });
});

suite("fairlead audit", () => {
  const entry = {
    sequence: 7n,
    at: "2026-01-02T03:04:05.678Z",
    action: "app.admit",
    verdict: "denied",
    peer: "west",
    person: "unknown",
    target: "shop/web",
    rule: "images/denied",
    message: "not this image\u001b[2J",
    correlation: "wish:u/1",
    hash: "a".repeat(64),
  };

  test("list asks for what was said, and shows it", async () => {
    const offices = openOffices();
    const asked: object[] = [];
    offices.audit = {
      listAudit({ peer, verdict, action, since, limit }) {
        asked.push({ peer, verdict, action, limit, since: Math.round((Date.now() - Date.parse(since)) / 60_000) });
        return { entries: [entry] };
      },
    };
    const args = ["audit", "list", "--peer", "west", "--since", "1h", "--verdict", "denied", "--action", "app"];
    const { out } = await offices.run(args);
    assert.deepEqual(asked, [{ peer: "west", verdict: "denied", action: "app", limit: 1000, since: 60 }]);
    assert.match(out, /^AT +ACTION +VERDICT +PEER +PERSON +TARGET +RULE\n/);
    assert.match(out, /\n2026-01-02T03:04:05Z +app\.admit +denied +west +unknown +shop\/web +images\/denied\n$/);
    const { items } = JSON.parse((await offices.run([...args, "-o", "json"])).out);
    assert.equal(items[0].sequence, 7);
    assert.equal(items[0].message, entry.message);
    assert.ok(!("fingerprint" in items[0]), "what is not known is left out");
    const wide = await offices.run([...args, "-o", "wide"]);
    assert.ok(!wide.out.includes("\u001b"));
  });

  test("an unknown verdict is a usage error that names those that there are", async () => {
    const { code, err } = await openOffices().run(["audit", "list", "--verdict", "no"]);
    assert.equal(code, exitCode.usage);
    assert.match(err, /allowed, denied, held, done, failed/);
  });

  test("verify asks the agent, and fails when it is not intact", async () => {
    const offices = openOffices();
    const kept = { entries: 5n, firstSequence: 3n, lastSequence: 7n, head: "b".repeat(64) };
    offices.audit = { verifyAudit: () => ({ ...kept, intact: true }), listAudit: () => ({ entries: [entry] }) };
    assert.equal((await offices.run(["audit", "verify"])).out, `intact: 5 entries, 3 to 7\nhead: ${"b".repeat(64)}\n`);
    assert.equal((await offices.run(["audit", "verify", "--noted", "a".repeat(64)])).code, 0);
    assert.equal((await offices.run(["audit", "verify", "--noted", "c".repeat(64)])).code, exitCode.failed);
    offices.audit = { verifyAudit: () => ({ ...kept, problems: ["entry 4 is not as it was written"] }) };
    const { code, out } = await offices.run(["audit", "verify"]);
    assert.equal(code, exitCode.failed);
    assert.equal(out, "entry 4 is not as it was written\n");
  });
});
