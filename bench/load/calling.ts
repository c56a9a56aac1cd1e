/** Calls over a link, from this process: the far end is one of its own. There is no forward in between, and so one hop less. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createClient } from "@connectrpc/connect";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { EchoService } from "../../test/gen/fairlead/test/v1/echo_pb.ts";
import { beside, type Contender, percentile } from "./contender.ts";
import { dialAsNewAgent } from "./dialling.ts";
import { forkTold } from "./forked.ts";

type Echo = Client<typeof EchoService>;

const size = 64 * 1024;
const data = Buffer.alloc(size, "fairlead");

export const calling: Contender = {
  name: "link RPC",
  async start(between) {
    const far = await forkTold<{ port: number; fingerprint: string }>("load/link-end.ts", []);
    const port = await between(far.told.port);
    const link = await dialAsNewAgent(port, far.told.fingerprint);
    const client = createClient(EchoService, createLinkTransport(link.session));
    return {
      parts: {
        down: async (seconds) => ({ down: await down(client, seconds) }),
        up: async (seconds) => ({ up: await up(client, seconds) }),
        one: async (seconds) => ({ oneP50: percentile(await callTimes(client, seconds), 0.5) }),
        rate64: async (seconds) => ({ rate64: await callRate(client, seconds, 64) }),
        beside: async (seconds) => beside(await besideBulk(client, seconds)),
      },
      async close() {
        link.close();
        await far.end();
      },
    };
  },
};

async function down(client: Echo, seconds: number): Promise<number> {
  let bytes = 0;
  const pouring = pour(client, (count) => {
    bytes += count;
  });
  await sleep(seconds * 500);
  const before = bytes;
  const startedAt = performance.now();
  await sleep(seconds * 1000);
  const rate = (bytes - before) / ((performance.now() - startedAt) / 1000);
  await pouring.end();
  return rate;
}

/** Messages of a server's stream for ever, until it is ended. */
function pour(client: Echo, arrived: (bytes: number) => void): { end(): Promise<void> } {
  const stop = new AbortController();
  const reading = (async () => {
    const messages = client.pour({ count: 4_000_000_000, size }, { signal: stop.signal });
    for await (const message of messages) arrived(message.data.length);
  })();
  return {
    async end() {
      stop.abort();
      await reading.catch((error: unknown) => {
        if (!stop.signal.aborted) throw error;
      });
    },
  };
}

async function up(client: Echo, seconds: number): Promise<number> {
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  const { bytes } = await client.collect(
    (async function* () {
      while (performance.now() < until) yield { data };
    })(),
  );
  return Number(bytes) / ((performance.now() - startedAt) / 1000);
}

async function callTimes(client: Echo, seconds: number, pauseMs = 0): Promise<number[]> {
  const times: number[] = [];
  const until = performance.now() + seconds * 1000;
  await client.say({ text: "hello" });
  while (times.length === 0 || performance.now() < until) {
    const startedAt = performance.now();
    await client.say({ text: "hello" });
    times.push(performance.now() - startedAt);
    if (pauseMs > 0) await sleep(pauseMs);
  }
  return times;
}

async function callRate(client: Echo, seconds: number, calls: number): Promise<number> {
  let answers = 0;
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  const work = async (): Promise<void> => {
    while (performance.now() < until) {
      await client.say({ text: "hello" });
      answers += 1;
    }
  };
  await Promise.all(Array.from({ length: calls }, work));
  return answers / ((performance.now() - startedAt) / 1000);
}

async function besideBulk(client: Echo, seconds: number): Promise<number[]> {
  const pouring = pour(client, () => undefined);
  await sleep(seconds * 500);
  const times = await callTimes(client, seconds, 2);
  await pouring.end();
  return times;
}
