/** In processes of their own, for they do not survive it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";

const [log, processLog] = ["log", "process-log"].map((name) =>
  JSON.stringify(new URL(`../../src/telemetry/${name}.ts`, import.meta.url).href),
);

/** Runs the code in a process that logs as an agent does. */
function run(code: string): Promise<{ exitCode: unknown; lines: Record<string, unknown>[] }> {
  const script = `
    const { createLog } = await import(${log});
    const { logProcess } = await import(${processLog});
    logProcess(process, createLog({ level: "warn" }), () => process.exit(1));
    ${code}
    setTimeout(() => process.exit(0), 200);`;
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ["--input-type=module", "-e", script], (_error, _out, err) => {
      const lines = err.trimEnd().split("\n");
      resolve({ exitCode: child.exitCode, lines: lines.map((line) => JSON.parse(line)) });
    });
  });
}

for (const [what, code, shown] of [
  ["an exception", `setImmediate(() => { throw new Error("a defect"); });`, /"message":"a defect"/],
  ["a rejection", `void Promise.reject(new Error("a defect"));`, /"message":"a defect"/],
  ["a rejection with what is no error", `void Promise.reject({ why: "a defect", token: "flt_s3cret" });`, /"a defect"/],
] as const) {
  test(`${what} that nobody caught is one line of the log without secrets, and the end`, async () => {
    const { exitCode, lines } = await run(code);
    assert.equal(exitCode, 1);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.level, "error");
    assert.match(JSON.stringify(lines), shown);
    assert.doesNotMatch(JSON.stringify(lines), /s3cret/);
  });
}

test("a warning of Node's is a line of the log, and not the end", async () => {
  const { exitCode, lines } = await run(`process.emitWarning("too many listeners");`);
  assert.equal(exitCode, 0);
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [["warn", "Node.js warns"]],
  );
  assert.match(JSON.stringify(lines), /too many listeners/);
});
