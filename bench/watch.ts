/**
 * What many watches cost: `node --expose-gc bench/watch.ts [watches] [seconds]`, 200 and 10 unless said. A console with 5,000 apps in
 * one process, the watches in another, each on a connection of its own; 100 changes a second, each told to all. Then as many seconds
 * with 50 more that read nothing.
 */
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { Topic, WatchRequestSchema } from "../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { percentile } from "./load/contender.ts";
import { forkTold } from "./load/forked.ts";
import { processorSecondsOf } from "./load/processes.ts";

const watches = Number(process.argv[2] ?? 200);
const seconds = Number(process.argv[3] ?? 10);
const stalled = 50;
const apps = 5_000;
const marker = "@0";
const markerLength = 17;

/** Milliseconds from a change to its arrival, by the time at which it was made. */
const delays = new Map<string, number[]>();
let counts = false;

const server = await forkTold<{ port: number }>("watch/console.ts", []);
const open: ClientRequest[] = [];
try {
  const empty = await held("stop");
  const startedAt = performance.now();
  const whole = await Promise.all(Array.from({ length: watches }, () => watch()));
  const toBeWhole = (performance.now() - startedAt) / 1_000;
  const bytes = whole.reduce((sum, each) => sum + each, 0);
  const idle = await held("stop");
  await held("start");
  await sleep(1_000);
  counts = true;
  const usedBefore = await processorSecondsOf([server.pid]);
  await sleep(seconds * 1_000);
  const used = (await processorSecondsOf([server.pid])) - usedBefore;
  counts = false;
  const busy = await held("stop");
  const all = [...delays.values()];
  const last = all.filter((each) => each.length === watches).map((each) => Math.max(...each));
  console.log(`${watches} watches, ${all.length} changes in ${seconds} s, ${all.flat().length} told`);
  console.log(`present state: ${(bytes / 2 ** 20).toFixed(0)} MiB to all in ${toBeWhole.toFixed(1)} s`);
  console.log(`processor: ${((used / seconds) * 100).toFixed(0)} % of one`);
  console.log(`from change to arrival: ${spread(all.flat())}; at the last watch: ${spread(last)}`);
  console.log(`memory: ${mib(empty)} empty, ${mib(idle)} with the watches, ${mib(busy)} after`);
  const before = await held("start");
  for (let i = 0; i < stalled; i += 1) await watch({ reads: false });
  await sleep(seconds * 1_000);
  const after = await held("stop");
  console.log(`${stalled} that read nothing: ${((after.used - before.used) / stalled / 1024).toFixed(0)} KiB each`);
} finally {
  for (const each of open) each.destroy();
  await server.end();
}

/** What the server's memory is: what is in use after a collection, and what the process has. */
async function held(message: string): Promise<{ used: number; rss: number }> {
  const answer = await server.ask(message);
  if (typeof answer !== "object" || answer === null || !("rss" in answer) || !("used" in answer)) throw new Error("?");
  return { used: Number(answer.used), rss: Number(answer.rss) };
}

/** Resolves with the bytes of the present state once it is there. */
async function watch({ reads = true } = {}): Promise<number> {
  const message = toBinary(WatchRequestSchema, create(WatchRequestSchema, { topics: [{ topic: Topic.APPS }] }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  const headers = { authorization: "Bearer bench", "content-type": "application/connect+proto" };
  const path = "/fairlead.console.v1.WatchService/Watch";
  const req = request({ port: server.told.port, host: "127.0.0.1", method: "POST", path, headers, agent: false });
  open.push(req);
  req.on("error", () => undefined);
  req.end(Buffer.concat([head, message]));
  const [res]: IncomingMessage[] = await once(req, "response");
  if (!res) throw new Error("no answer");
  res.on("error", () => undefined);
  if (!reads) {
    res.pause();
    return 0;
  }
  let seen = 0;
  let bytes = 0;
  const isWhole = Promise.withResolvers<number>();
  let rest = Buffer.alloc(0);
  res.on("data", (chunk: Buffer) => {
    const now = Number(process.hrtime.bigint() / 1_000n);
    const text = rest.byteLength > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let at = text.indexOf(marker);
    let end = 0;
    for (; at >= 0 && at + markerLength <= text.byteLength; at = text.indexOf(marker, end)) {
      end = at + markerLength;
      if (counts) note(text.toString("latin1", at + 1, end), now);
      seen += 1;
    }
    rest = Buffer.from(text.subarray(Math.max(end, text.byteLength - markerLength)));
    bytes += chunk.byteLength;
    if (seen >= apps) isWhole.resolve(bytes);
  });
  return isWhole.promise;
}

function note(madeAt: string, now: number): void {
  const delay = (now - Number(madeAt)) / 1_000;
  const known = delays.get(madeAt);
  if (known) known.push(delay);
  else delays.set(madeAt, [delay]);
}

function spread(times: readonly number[]): string {
  return `p50 ${percentile(times, 0.5).toFixed(0)} ms, p99 ${percentile(times, 0.99).toFixed(0)} ms`;
}

function mib({ used, rss }: { used: number; rss: number }): string {
  return `${(used / 2 ** 20).toFixed(0)} MiB (of the process: ${(rss / 2 ** 20).toFixed(0)})`;
}
