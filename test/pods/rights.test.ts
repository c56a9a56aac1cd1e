import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { LogEvent } from "../../src/pods/follow-logs.ts";
import { until } from "../patience.ts";
import { collect, fingerprint, follow, once, openLogs, refusedWith, running, untilAborted } from "./log-world.ts";

test("Every operation is scoped by the caller's fingerprint first, then by id: another's app is none", async () => {
  await using at = await openLogs();
  at.kube.set("a", running);
  at.caller.fingerprint = "0b".repeat(32);
  await assert.rejects(collect(at.read(once)), refusedWith(Code.NotFound, /No app of yours called shop\/web/));
  assert.equal(at.kube.requests.length, 0);
  const [entry] = at.audited.host;
  assert.deepEqual(
    [entry?.verdict, entry?.rule, entry?.actor.fingerprint],
    ["denied", "target/not-found", "0b".repeat(32)],
  );
});

test("logs end at once when the policy takes them back, also for a reader that does not read, with the rule at both ends", async () => {
  await using at = await openLogs();
  at.kube.set("a", running);
  at.kube.answer = async function* (_pod, _query, signal) {
    const line = `2026-11-21T12:00:00Z ${"x".repeat(8_000)}\n`;
    for (let count = 0; count < 200; count += 1) yield line;
    await untilAborted(signal);
  };
  // Of a slow reader more waits than is on its way, so that an end behind it would come late.
  const slow = at.read({ ...follow, person: "ada" })[Symbol.asyncIterator]();
  await slow.next();
  at.uses.review(() => at.caller);
  await slow.next();
  at.permission = { allowed: false, rule: "pods/logs", message: "No policy lets you." };
  at.uses.review(() => at.caller, "0b".repeat(32));
  assert.equal(at.audited.host.length, 1, "a review of another peer ends nothing");
  at.uses.review(() => at.caller, fingerprint);
  await until("it is read no more", () => at.kube.watches === 0);
  const error = await drain(slow);
  assert.equal(error.code, Code.PermissionDenied);
  assert.equal(error.metadata.get("fairlead-reason"), "REVOKED");
  assert.equal(error.rawMessage, "No policy lets you. (rule: pods/logs)");

  const { host, origin } = at.audited;
  const shown = (entries: typeof host) => entries.map(({ action, verdict, rule }) => [action, verdict, rule]);
  assert.deepEqual(shown(host), [
    ["log.read", "allowed", undefined],
    ["log.revoke", "done", "pods/logs"],
  ]);
  assert.deepEqual(shown(origin), shown(host), "both ends tell the same");
  assert.deepEqual(
    [origin[0]?.actor, host[0]?.actor],
    [
      { peer: "there", person: "ada" },
      { peer: "here", fingerprint },
    ],
  );
  assert.match(origin[0]?.correlation ?? "", /^stream:[0-9a-f]{8}\/\d+$/);
  assert.deepEqual(new Set([...host, ...origin].map(({ correlation }) => correlation)).size, 1, "by one name");
  await assert.rejects(collect(at.read(once)), refusedWith(Code.PermissionDenied, /pods\/logs/));
  assert.deepEqual(shown(at.audited.origin).at(-1), ["log.read", "denied", "pods/logs"]);
  assert.equal(at.audited.origin.at(-1)?.correlation, at.audited.host.at(-1)?.correlation);
});

test("logs end when their peer is removed, whatever the rules say of others", async () => {
  await using at = await openLogs();
  at.kube.set("a", running);
  at.kube.answer = (_pod, _query, signal) => endless(signal);
  const reading = at.read(follow)[Symbol.asyncIterator]();
  await reading.next();
  at.uses.review(() => undefined);
  assert.match((await drain(reading)).rawMessage, /removed/);
});

test("logs are written down so often at most that a peer which asks without end cannot fill the record", async () => {
  await using at = await openLogs();
  at.permission = { allowed: false, rule: "pods/logs", message: "No policy lets you." };
  for (let count = 0; count < 300; count += 1)
    await collect(at.read(once, undefined, `app-${count}`)).catch(() => undefined);
  assert.ok(at.audited.host.length <= 60, `${at.audited.host.length} entries`);
});

async function* endless(signal: AbortSignal): AsyncGenerator<string> {
  yield "2026-11-21T12:00:00Z hello\n";
  await untilAborted(signal);
}

/** Reads on until it fails. */
async function drain(events: AsyncIterator<LogEvent>): Promise<ConnectError> {
  try {
    while (!(await events.next()).done);
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("It ended well.");
}
