/**
 * How fast one stream of a session is, beside bare TLS over the same kind of pipe, in the same run: `node bench/link.ts [MiB]`.
 * Rounds are interleaved and the median counts, so that a busy machine harms all rows alike. Both ends live in this process.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { createClient } from "@connectrpc/connect";
import { systemClock } from "../src/base/clock.ts";
import { silentLog } from "../src/base/log.ts";
import { type Identity, loadIdentity } from "../src/identity/identity.ts";
import { createSecurer } from "../src/link/secure.ts";
import { acceptWebSocket, openWebSocket } from "../src/link/websocket.ts";
import { createLinkTransport } from "../src/rpc/transport.ts";
import { EchoService } from "../test/gen/fairlead/test/v1/echo_pb.ts";
import { createEchoServer } from "../test/rpc/echo.ts";
import { openPair, type Pair, service } from "../test/wire/pair.ts";

const rounds = 3;
const mebibyte = 1024 * 1024;
const bytes = Number(process.argv[2] ?? 256) * mebibyte;
const piece = Buffer.alloc(64 * 1024, "fairlead");
const never = new AbortController().signal;

interface Row {
  readonly name: string;
  run(): Promise<void>;
}

const identities = await Promise.all([newIdentity(), newIdentity()]);
const bare = await securePipe();
const linked = await openSessions();
const client = createClient(EchoService, createLinkTransport(linked.low));

const rows: Row[] = [
  { name: "bare TLS in a WebSocket, down", run: () => pour(bare[1], bare[0], false) },
  { name: "bare TLS in a WebSocket, up", run: () => pour(bare[0], bare[1], false) },
  { name: "dialled stream, down", run: () => dialled("down") },
  { name: "dialled stream, up", run: () => dialled("up") },
  { name: "RPC server stream, 64 KiB messages", run: () => call(64 * 1024) },
  { name: "RPC server stream, 1 MiB messages", run: () => call(mebibyte) },
];

const took = new Map(rows.map((row) => [row.name, [] as number[]]));
for (let round = 0; round <= rounds; round++) {
  for (const row of rows) {
    const startedAt = performance.now();
    await row.run();
    // The first round warms up.
    if (round > 0) took.get(row.name)?.push(performance.now() - startedAt);
  }
}

const median = (times: number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
const bareMs = median(took.get(rows[0]?.name ?? "") ?? []);
console.table(
  rows.map(({ name }) => {
    const ms = median(took.get(name) ?? []);
    return {
      stream: name,
      "MiB/s": Math.round(bytes / mebibyte / (ms / 1000)),
      "Gbit/s": ((bytes * 8) / 1e9 / (ms / 1000)).toFixed(1),
      "of bare, down": `${Math.round((bareMs / ms) * 100)} %`,
    };
  }),
);
await linked.close();
for (const stream of bare) stream.destroy();
for (const identity of identities) identity.close();

async function newIdentity(): Promise<Identity> {
  const store = { read: async () => undefined, create: async () => "created" as const };
  return loadIdentity({ store, clock: systemClock, log: silentLog }, never);
}

/** What an agent's link is made of: TCP over loopback, a WebSocket, mutual TLS. The dialling end first. */
async function securePipe(): Promise<[Duplex, Duplex]> {
  const [dialling, accepting] = identities;
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const upgraded = once(server, "upgrade").then(([request, socket, head]) =>
    acceptWebSocket(request as IncomingMessage, socket as Duplex, head as Buffer),
  );
  const tcp = connectTcp({ port, host: "127.0.0.1", noDelay: true });
  await once(tcp, "connect");
  const near = await openWebSocket(new URL(`ws://127.0.0.1:${port}/link`), tcp, never);
  const far = await upgraded;
  const now = (): number => Date.now();
  const ends = await Promise.all([
    createSecurer({ identity: dialling, now }).dial(near, { fingerprint: accepting.fingerprint }, never),
    createSecurer({ identity: accepting, now }).accept(far, never),
  ]);
  server.close();
  return [ends[0].stream, ends[1].stream];
}

async function openSessions(): Promise<Pair> {
  const server = createEchoServer();
  return openPair({
    carriers: await securePipe(),
    acceptHigh: (incoming) => {
      if (incoming.kind === "rpc") {
        void server.serve(incoming, { fingerprint: "", guest: false, grants: [], caPem: "" });
      } else {
        const far = incoming.accept();
        if (incoming.target.kind.case === "service" && incoming.target.kind.value.name === "up")
          far.resume().on("end", () => far.end());
        else void pour(far, undefined, true);
      }
    },
  });
}

async function dialled(direction: "up" | "down"): Promise<void> {
  const near = await linked.low.dial(service(direction));
  const ended = once(near, "end");
  near.resume();
  if (direction === "up") await pour(near, undefined, true);
  else near.end();
  await ended;
}

async function call(size: number): Promise<void> {
  let read = 0;
  for await (const message of client.pour({ count: bytes / size, size })) read += message.data.length;
  if (read !== bytes) throw new Error(`${read} bytes came instead of ${bytes}.`);
}

/** Writes all bytes to `from`; with `to`, waits until they have come out there. */
async function pour(from: Duplex, to: Duplex | undefined, end: boolean): Promise<void> {
  let read = 0;
  const arrived = new Promise<void>((resolve) => {
    if (to === undefined) return resolve();
    const onData = (chunk: Buffer): void => {
      read += chunk.length;
      if (read < bytes) return;
      to.off("data", onData);
      resolve();
    };
    to.on("data", onData);
  });
  for (let written = 0; written < bytes; written += piece.length) {
    if (!from.write(piece)) await once(from, "drain");
  }
  if (end) from.end();
  await arrived;
}
