import assert from "node:assert/strict";
import { test } from "node:test";
import { SecretText } from "../../src/base/secret-text.ts";
import { createLog } from "../../src/telemetry/log.ts";
import type { LogLevel } from "../../src/telemetry/log-level.ts";

function recordLog(level: LogLevel = "debug") {
  const lines: string[] = [];
  const log = createLog({ level, write: (line) => void lines.push(line) });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test("a line is one JSON object with time, level, fields and message", () => {
  const { log, lines, parsed } = recordLog();
  log.child({ peer: "east" }).info({ streams: 3 }, "link is up");
  assert.equal(lines.length, 1);
  assert.ok(lines[0]?.endsWith("}\n"));
  const { time, ...rest } = parsed()[0] ?? {};
  assert.deepEqual(rest, { level: "info", peer: "east", streams: 3, msg: "link is up" });
  assert.ok(Date.parse(String(time)) > 0);
});

test("the level changes live, for children that exist already too", () => {
  const { log, parsed } = recordLog("warn");
  const child = log.child({ room: "link" });
  child.info({}, "unheard");
  log.setLevel("debug");
  child.debug({}, "heard");
  log.setLevel("silent");
  child.error({}, "unheard");
  assert.deepEqual(
    parsed().map((line) => line.msg),
    ["heard"],
  );
});

test("secrets are masked by the name of their field, at any depth, in lines and in children", () => {
  const { log, lines, parsed } = recordLog();
  const fields = {
    token: "s3cr3t",
    headers: { Authorization: "Bearer s3cr3t", "set-cookie": ["s3cr3t"], accept: "text/html" },
    list: [{ keyPem: "s3cr3t" }],
    plain: new SecretText("s3cr3t"),
  };
  log.info(fields, "asked");
  log.child({ password: "s3cr3t" }).info({}, "asked again");
  assert.ok(lines.every((line) => !line.includes("s3cr3t")));
  assert.deepEqual(parsed()[0]?.headers, {
    Authorization: "[secret]",
    "set-cookie": "[secret]",
    accept: "text/html",
  });
  assert.equal(fields.token, "s3cr3t", "what was logged is not changed");
});

test("an error is written with its causes and without the properties that libraries hang on it", () => {
  const { log, lines, parsed } = recordLog();
  const cause = Object.assign(new Error("connection refused"), { code: "ECONNREFUSED", body: "s3cr3t" });
  log.warn({ err: new Error("cannot reach the API server", { cause }), error: cause }, "list failed");
  const err = parsed()[0]?.err as Record<string, unknown>;
  assert.equal(err.message, "cannot reach the API server");
  assert.deepEqual(err.cause, { type: "Error", message: "connection refused", code: "ECONNREFUSED" });
  assert.doesNotMatch(lines.join(), /s3cr3t/);
});

test("an error alone is a line too", () => {
  const { log, parsed } = recordLog();
  log.error(new Error("alone"), "it failed");
  const [line] = parsed();
  assert.ok(line);
  assert.equal((line.err as Record<string, unknown>).message, "alone");
});

test("what cannot be JSON does not break the line", () => {
  const { log, parsed } = recordLog();
  const circular: Record<string, unknown> = { bytes: new Uint8Array(5), big: 10n, fn: () => 1 };
  circular.self = circular;
  log.info({ circular, url: new URL("https://user:s3cr3t@host.test/x") }, "odd");
  const [line] = parsed();
  assert.deepEqual(line?.circular, { bytes: "[5 bytes]", big: "10", self: "[circular]" });
  assert.equal(line?.url, "https://host.test/x");
});

test("a line stays bounded when what is logged is not", () => {
  const { log, lines } = recordLog();
  log.info({ list: Array.from({ length: 100_000 }, (_, index) => index), text: "x".repeat(1_000_000) }, "long");
  assert.ok((lines[0]?.length ?? 0) < 50_000);
});
