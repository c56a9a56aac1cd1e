/**
 * What many links, and many streams of one, cost an agent that does nothing with them: `node bench/links.ts [links] [streams]`, 2,000 and
 * 10,000 unless said. They are opened against one process, whose memory counts, by agents with an identity each; then a small call goes over
 * each link. Links are dialled 16 at a time, since strangers are bounded. What links hold is told twice: as the process has it when they
 * stand, with what making them has left behind, and after a collection.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createLinkTransport } from "../src/rpc/transport.ts";
import { EchoService } from "../test/gen/fairlead/test/v1/echo_pb.ts";
import { service } from "../test/wire/pair.ts";
import { percentile } from "./load/contender.ts";
import { type DialledLink, dialAsNewAgent } from "./load/dialling.ts";
import { forkTold } from "./load/forked.ts";
import { memoryOf } from "./load/processes.ts";

const linkCount = Number(process.argv[2] ?? 2_000);
const streamCount = Number(process.argv[3] ?? 10_000);
const atOnce = 16;

const far = await forkTold<{ port: number; fingerprint: string }>("load/link-end.ts", []);
const dial = (): Promise<DialledLink> => dialAsNewAgent(far.told.port, far.told.fingerprint);
const say = (link: DialledLink): Promise<unknown> =>
  createClient(EchoService, createLinkTransport(link.session)).say({ text: "hello" });

// The first one loads what all others need.
const first = await dial();
await say(first);
const empty = await settledMemory();
await far.ask("collect");
const emptyCollected = await settledMemory();

const startedAt = performance.now();
const links = await many(linkCount, dial);
const linksPerSecond = linkCount / ((performance.now() - startedAt) / 1000);
const withLinks = await settledMemory();

const times: number[] = [];
for (const link of links) {
  const askedAt = performance.now();
  await say(link);
  times.push(performance.now() - askedAt);
}

await far.ask("collect");
const beforeStreams = await settledMemory();
const openedAt = performance.now();
await many(streamCount, () => first.session.dial(service("idle")));
const streamsPerSecond = streamCount / ((performance.now() - openedAt) / 1000);
const withStreams = await settledMemory();

const kibibytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;
console.table({
  "agent, one link": { value: `${(empty / 2 ** 20).toFixed(0)} MiB` },
  [`each of ${linkCount} links`]: { value: kibibytes((withLinks - empty) / linkCount) },
  "the same, once collected": { value: kibibytes((beforeStreams - emptyCollected) / linkCount) },
  "links a second": { value: linksPerSecond.toFixed(0) },
  "a call on each, p50": { value: `${percentile(times, 0.5).toFixed(2)} ms` },
  "a call on each, p99": { value: `${percentile(times, 0.99).toFixed(2)} ms` },
  [`each of ${streamCount} streams of one link`]: { value: kibibytes((withStreams - beforeStreams) / streamCount) },
  "dials a second": { value: streamsPerSecond.toFixed(0) },
});
for (const link of [first, ...links]) link.close();
await far.end();

async function many<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) made.push(await make());
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return made;
}

/** Resident bytes of the far end, when they no longer change much. */
async function settledMemory(): Promise<number> {
  for (let before = 0, looks = 0; ; looks++) {
    const now = await memoryOf([far.pid]);
    if (Math.abs(now - before) < 256 * 1024 || looks === 20) return now;
    before = now;
    await sleep(250);
  }
}
