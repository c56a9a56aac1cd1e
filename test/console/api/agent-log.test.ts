import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { readLog } from "../../../src/console/api/agent-log.ts";
import {
  type ReadLogRequest,
  ReadLogRequestSchema,
  type ReadLogResponse,
} from "../../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { createLogRing, type LogRing } from "../../../src/telemetry/log-ring.ts";

const line = (level: string, msg: string, more = {}): string =>
  `${JSON.stringify({ level, time: "2026-11-22T12:00:00.000Z", ...more, msg })}\n`;
const asked = (more: Partial<ReadLogRequest> = {}): ReadLogRequest => ({ ...create(ReadLogRequestSchema), ...more });

function textOf({ event }: ReadLogResponse): string {
  return event.case === "line" ? event.value.message : `${event.value} missed`;
}

async function readAll(ring: LogRing, request: Partial<ReadLogRequest>): Promise<string[]> {
  const read: string[] = [];
  for await (const one of readLog(ring, asked(request), AbortSignal.timeout(30_000))) read.push(textOf(one));
  return read;
}

test("lines are chosen by weight, by text and by how many", async () => {
  const ring = createLogRing();
  ring.add(line("debug", "quiet"));
  ring.add(line("info", "one", { room: "Link" }));
  ring.add("what a library prints\n");
  ring.add(line("warn", "two"));
  ring.add(line("error", "three", { room: "link" }));
  assert.deepEqual(await readAll(ring, {}), ["quiet", "one", "what a library prints", "two", "three"]);
  assert.deepEqual(await readAll(ring, { level: "warn" }), ["two", "three"]);
  assert.deepEqual(await readAll(ring, { contains: '"room":"LINK"' }), ["one", "three"]);
  assert.deepEqual(await readAll(ring, { level: "info", tail: 2 }), ["two", "three"]);
});

test("a line is told with its time, and with what else it says", async () => {
  const ring = createLogRing();
  ring.add(line("warn", "careful", { peer: "west" }));
  for await (const { event } of readLog(ring, asked(), AbortSignal.timeout(30_000))) {
    assert.equal(event.case, "line");
    if (event.case !== "line") continue;
    const { $typeName: _, ...told } = event.value;
    const at = "2026-11-22T12:00:00.000Z";
    assert.deepEqual(told, { sequence: 1n, at, level: "warn", message: "careful", fields: '{"peer":"west"}' });
  }
});

test("who follows hears each line as it comes, and how many they were too slow for", async () => {
  const ring = createLogRing({ lines: 3 });
  ring.add(line("info", "before"));
  const stop = new AbortController();
  const lines = readLog(ring, asked({ follow: true }), stop.signal);
  const next = async (): Promise<string> => {
    const { value } = await lines.next();
    assert.ok(value);
    return textOf(value);
  };
  assert.equal(await next(), "before");
  const coming = next();
  ring.add(line("info", "a"));
  assert.equal(await coming, "a");
  for (const name of ["b", "c", "d", "e", "f"]) ring.add(line("info", name));
  assert.deepEqual([await next(), await next(), await next(), await next()], ["2 missed", "d", "e", "f"]);
  const last = next();
  stop.abort(new Error("enough"));
  await assert.rejects(last, /enough/);
});
