/**
 * What each layer below a dialled stream costs, in one run: `node bench/layers.ts [MiB]`. Both ends live in this process, so that one
 * clock of the processor counts for both: the time that it used for a GiB hardly depends on what else the machine does. Rounds are
 * interleaved and the median counts. The last row is what it costs to bring bytes to another thread and back, where TLS could be.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from "node:net";
import { constants, PerformanceObserver } from "node:perf_hooks";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { createSecureContext, connect as secure, TLSSocket } from "node:tls";
import { Worker } from "node:worker_threads";
import { createClient } from "@connectrpc/connect";
import { systemClock } from "../src/base/clock.ts";
import { silentLog } from "../src/base/log.ts";
import { type Identity, loadIdentity } from "../src/identity/identity.ts";
import { createSecurer } from "../src/link/secure.ts";
import { acceptWebSocket, openWebSocket } from "../src/link/websocket.ts";
import { createLinkTransport } from "../src/rpc/transport.ts";
import { EchoService } from "../test/gen/fairlead/test/v1/echo_pb.ts";
import { createMemoryStore } from "../test/identity/memory-store.ts";
import { createEchoServer } from "../test/rpc/echo.ts";
import { openPair, type Pair, service } from "../test/wire/pair.ts";

const rounds = 3;
const mebibyte = 1024 * 1024;
const bytes = Number(process.argv[2] ?? 256) * mebibyte;
const piece = Buffer.alloc(64 * 1024, "fairlead");
const host = "127.0.0.1";
const never = new AbortController().signal;

interface Row {
  readonly name: string;
  run(): Promise<void>;
}

/** The dialling end first. */
type Pipe = readonly [Duplex, Duplex];

const identities = await Promise.all([newIdentity(), newIdentity()]);
const tcp = await tcpPipe();
const native = await nativeTls(await tcpPipe());
const webSocket = await webSocketPipe();
const bare = await securePipe(await webSocketPipe());
const linked = await openSessions(await securePipe(await webSocketPipe()));
const client = createClient(EchoService, createLinkTransport(linked.low));
const worker = new Worker(
  "require('worker_threads').parentPort.on('message', function (m) { this.postMessage(m, [m]) })",
  {
    eval: true,
  },
);

const rows: readonly Row[] = [
  { name: "TCP", run: () => pour(tcp[1], tcp[0], false) },
  { name: "TLS on TCP, all in C++", run: () => pour(native[1], native[0], false) },
  { name: "WebSocket", run: () => pour(webSocket[1], webSocket[0], false) },
  { name: "TLS in a WebSocket, down", run: () => pour(bare[1], bare[0], false) },
  { name: "TLS in a WebSocket, up", run: () => pour(bare[0], bare[1], false) },
  { name: "dialled stream, down", run: () => dialled("down") },
  { name: "dialled stream, up", run: () => dialled("up") },
  { name: "RPC, messages of 64 KiB", run: () => call(64 * 1024) },
  { name: "RPC, messages of 1 MiB", run: () => call(mebibyte) },
  { name: "to a thread and back", run: () => thereAndBack() },
];

let collections = 0;
const observer = new PerformanceObserver((list) => {
  collections += list.getEntries().filter(isFullCollection).length;
});
observer.observe({ entryTypes: ["gc"] });

const took = new Map(rows.map((row) => [row.name, { ms: [] as number[], cpu: [] as number[], collections: 0 }]));
for (let round = 0; round <= rounds; round++) {
  for (const row of rows) {
    const startedAt = performance.now();
    const before = process.cpuUsage();
    await row.run();
    const ms = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(before);
    // Collections are told a turn later.
    await sleep(5);
    const its = took.get(row.name);
    // The first round warms up.
    if (round > 0 && its) {
      its.ms.push(ms);
      its.cpu.push((user + system) / 1e6);
      its.collections += collections;
    }
    collections = 0;
  }
}
observer.disconnect();

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const base = took.get("TLS in a WebSocket, down");
console.table(
  rows.map(({ name }) => {
    const { ms = [], cpu = [], collections: counted = 0 } = took.get(name) ?? {};
    return {
      layer: name,
      "Gbit/s": Number(((bytes * 8) / 1e6 / median(ms)).toFixed(2)),
      "CPU, s/GiB": Number(((median(cpu) / bytes) * 2 ** 30).toFixed(2)),
      "full collections a GiB": Math.round((counted / rounds / bytes) * 2 ** 30),
      "CPU of bare": Number((median(cpu) / median(base?.cpu ?? [])).toFixed(2)),
    };
  }),
);
await linked.close();
await worker.terminate();
for (const stream of [...tcp, ...native, ...webSocket, ...bare]) stream.destroy();
for (const identity of identities) identity.close();

function isFullCollection(entry: object): boolean {
  if (!("detail" in entry) || typeof entry.detail !== "object" || entry.detail === null) return false;
  return "kind" in entry.detail && entry.detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}

async function newIdentity(): Promise<Identity> {
  return loadIdentity({ store: createMemoryStore(), clock: systemClock, log: silentLog }, never);
}

async function tcpPipe(): Promise<Pipe> {
  const server = createTcpServer({ noDelay: true }).listen(0, host);
  await once(server, "listening");
  const near = connectTcp({ port: (server.address() as AddressInfo).port, host, noDelay: true });
  const [[far]] = (await Promise.all([once(server, "connection"), once(near, "connect")])) as [[Duplex], unknown];
  server.close();
  return [near, far];
}

async function webSocketPipe(): Promise<Pipe> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const upgraded = once(server, "upgrade").then(([request, socket, head]) =>
    acceptWebSocket(request as IncomingMessage, socket as Duplex, head as Buffer),
  );
  const near = connectTcp({ port, host, noDelay: true });
  await once(near, "connect");
  const pipe = await Promise.all([openWebSocket(new URL(`ws://${host}:${port}/link`), near, never), upgraded]);
  server.close();
  return pipe;
}

/** As an agent's link is secured. */
async function securePipe([near, far]: Pipe): Promise<Pipe> {
  const [dialling, accepting] = identities;
  const now = (): number => Date.now();
  const ends = await Promise.all([
    createSecurer({ identity: dialling, now }).dial(near, { fingerprint: accepting.fingerprint }, never),
    createSecurer({ identity: accepting, now }).accept(far, never),
  ]);
  return [ends[0].stream, ends[1].stream];
}

/** As Node does it at its best: the TLS reads and writes the socket without a word of JavaScript. */
async function nativeTls([near, far]: Pipe): Promise<Pipe> {
  const { certPem: cert, keyPem } = identities[1].leaf();
  const secureContext = createSecureContext({ cert, key: keyPem.reveal(), minVersion: "TLSv1.3" });
  const accepting = new TLSSocket(far, { isServer: true, secureContext });
  const dialling = secure({ socket: near, rejectUnauthorized: false });
  await Promise.all([once(dialling, "secureConnect"), once(accepting, "secure")]);
  return [dialling, accepting];
}

async function openSessions(carriers: Pipe): Promise<Pair> {
  const server = createEchoServer();
  return openPair({
    carriers,
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

/** Buffers of 64 KiB, moved and not copied, eight at a time. */
async function thereAndBack(): Promise<void> {
  let left = bytes / piece.length;
  await new Promise<void>((resolve) => {
    let away = 8;
    const onMessage = (buffer: ArrayBuffer): void => {
      left -= 1;
      if (left > 0) worker.postMessage(buffer, [buffer]);
      else if (--away === 0) {
        worker.off("message", onMessage);
        resolve();
      }
    };
    worker.on("message", onMessage);
    for (let number = 0; number < away; number++) {
      const buffer = new ArrayBuffer(piece.length);
      worker.postMessage(buffer, [buffer]);
    }
  });
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
