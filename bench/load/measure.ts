/** What is measured of a way, over plain TCP, for about so many seconds. Each function opens what it needs at a port of loopback and closes it again. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isAnswer, isPoured, request } from "./conversation.ts";
import { memoryOf } from "./processes.ts";

const host = "127.0.0.1";
const piece = Buffer.alloc(64 * 1024, "fairlead");

/** How much there was each second once it ran, and in all, with the time before. */
export interface Counted {
  readonly perSecond: number;
  readonly count: number;
}

/** Bytes of one stream from the target. */
export async function down(port: number, seconds: number): Promise<Counted> {
  const socket = await open(port);
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  socket.write("D");
  await sleep(warmUpMs(seconds));
  const before = bytes;
  const startedAt = performance.now();
  await sleep(seconds * 1000);
  const perSecond = (bytes - before) / ((performance.now() - startedAt) / 1000);
  socket.destroy();
  return { perSecond, count: bytes };
}

/** Bytes of one stream to the target, by what it says has come there. */
export async function up(port: number, seconds: number): Promise<Counted> {
  const socket = await open(port);
  const counts: { readonly at: number; readonly bytes: number }[] = [];
  let told = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    told = Buffer.concat([told, chunk]);
    for (; told.length >= 8; told = told.subarray(8)) {
      counts.push({ at: performance.now(), bytes: Number(told.readBigUInt64BE(0)) });
    }
  });
  const more = (): void => {
    while (socket.write(piece));
  };
  socket.write("U");
  socket.on("drain", more);
  more();
  await sleep(warmUpMs(seconds));
  counts.splice(0);
  await sleep(seconds * 1000);
  // On a machine that is busy with other things the target's word may be late.
  for (let waits = 0; waits < 50 && new Set(counts.map(({ at }) => at)).size < 2; waits++) await sleep(100);
  socket.destroy();
  const [first, last] = [counts[0], counts.at(-1)];
  if (!first || !last || first.at === last.at) throw new Error("The target told too little of what has come.");
  return { perSecond: (last.bytes - first.bytes) / ((last.at - first.at) / 1000), count: last.bytes };
}

/** Milliseconds that each request took, one after another on one connection, for so long. */
export async function requestTimes(port: number, seconds: number, pauseMs = 0): Promise<number[]> {
  const socket = await open(port);
  const times: number[] = [];
  const bytes = await askFirst(socket);
  const until = performance.now() + seconds * 1000;
  while (times.length === 0 || performance.now() < until) {
    const startedAt = performance.now();
    await ask(socket, bytes);
    times.push(performance.now() - startedAt);
    if (pauseMs > 0) await sleep(pauseMs);
  }
  socket.destroy();
  return times;
}

/** Requests on so many connections at a time. */
export async function requestRate(port: number, seconds: number, connections: number): Promise<Counted> {
  const load = await startRequests(port, connections);
  await sleep(warmUpMs(seconds));
  const before = load.answers;
  const startedAt = performance.now();
  await sleep(seconds * 1000);
  const perSecond = (load.answers - before) / ((performance.now() - startedAt) / 1000);
  load.close();
  return { perSecond, count: load.answers };
}

/** One request after another on each of so many connections. */
async function startRequests(port: number, connections: number) {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  const lengths = await Promise.all(sockets.map(askFirst));
  const load = {
    answers: connections,
    close(): void {
      for (const socket of sockets) socket.destroy();
    },
  };
  for (const [index, socket] of sockets.entries()) {
    const length = lengths[index] ?? 0;
    let have = 0;
    socket.on("data", (chunk: Buffer) => {
      have += chunk.length;
      for (; have >= length; have -= length) {
        load.answers += 1;
        socket.write(request);
      }
    });
    socket.write(request);
  }
  return load;
}

/**
 * So many requests in all, on so many connections at a time, and how many of them were not answered whole: a connection that broke, or an answer
 * that is none. What broke is made anew.
 */
export async function requestsInAll(port: number, count: number, connections: number) {
  let left = count;
  let errors = 0;
  const work = async (): Promise<void> => {
    let asked: { readonly socket: Socket; readonly bytes: number } | undefined;
    while (left > 0) {
      left -= 1;
      try {
        if (asked) await ask(asked.socket, asked.bytes);
        else {
          const socket = await open(port);
          asked = { socket, bytes: await askFirst(socket) };
        }
      } catch {
        errors += 1;
        asked?.socket.destroy();
        asked = undefined;
      }
    }
    asked?.socket.destroy();
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: connections }, work));
  return { perSecond: count / ((performance.now() - startedAt) / 1000), errors };
}

/** As `requestTimes`, with a pause of 2 ms between, while another stream comes down as fast as it can. */
export async function besideBulk(port: number, seconds: number): Promise<number[]> {
  const bulk = await open(port);
  bulk.resume().write("D");
  await sleep(warmUpMs(seconds));
  const times = await requestTimes(port, seconds, 2);
  bulk.destroy();
  return times;
}

/** Milliseconds from a key to its echo, 20 keys a second, while another stream comes down as fast as it can. */
export async function keysBesideBulk(port: number, seconds: number): Promise<number[]> {
  const bulk = await open(port);
  bulk.resume().write("D");
  const shell = await open(port);
  await echo(shell);
  // Until all queues on the way are as full as they get.
  await sleep(2_000);
  const times: number[] = [];
  for (const until = performance.now() + seconds * 1000; performance.now() < until; await sleep(50)) {
    const startedAt = performance.now();
    const answered = once(shell, "data");
    shell.write("k");
    await answered;
    times.push(performance.now() - startedAt);
  }
  for (const socket of [bulk, shell]) socket.destroy();
  return times;
}

/** Connections, by 32 at a time: made, one byte there and back, and closed. */
export async function openRate(port: number, seconds: number): Promise<Counted> {
  let opened = 0;
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  const work = async (): Promise<void> => {
    while (performance.now() < until) {
      const socket = await open(port);
      await echo(socket);
      socket.destroy();
      opened += 1;
    }
  };
  await Promise.all(Array.from({ length: 32 }, work));
  return { perSecond: opened / ((performance.now() - startedAt) / 1000), count: opened };
}

/** Bytes that the target, at a port of its own, can send on each of 16 streams whose reader never reads. */
export async function stalledBytes(port: number, target: number, seconds: number): Promise<number> {
  const streams = 16;
  const before = await pouredBytes(target);
  const sockets = await Promise.all(Array.from({ length: streams }, () => open(port)));
  for (const socket of sockets) socket.pause().write("D");
  await sleep(Math.max(1_000, seconds * 1000));
  const after = await pouredBytes(target);
  for (const socket of sockets) socket.destroy();
  return Math.max(0, after - before) / streams;
}

async function pouredBytes(target: number): Promise<number> {
  const socket = await open(target);
  socket.write("H");
  const [count] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return Number(count.readBigUInt64BE(0));
}

/** Connections that were used once and stay open, spread over the ports, and the bytes that the processes in between grow by for each. */
export async function idleBytes(
  ports: readonly number[],
  pids: readonly number[],
  connections: number,
): Promise<{ readonly open: number; readonly each: number }> {
  const before = await memoryOf(pids);
  const sockets: Socket[] = [];
  while (sockets.length < connections) {
    const port = ports[(sockets.length / 32) % ports.length] ?? 0;
    const some = await Promise.all(
      Array.from({ length: Math.min(32, connections - sockets.length) }, () => open(port)),
    );
    await Promise.all(some.map(echo));
    sockets.push(...some);
  }
  await sleep(300);
  const after = await memoryOf(pids);
  // All of them still are what they were.
  await Promise.all(sockets.map(again));
  for (const socket of sockets) socket.destroy();
  return { open: sockets.length, each: Math.max(0, after - before) / sockets.length };
}

/** How a transfer of so many bytes went while the network was cut `times` times. */
export type CutOutcome = "survives" | "breaks visibly" | "ends as if complete" | "corrupt" | "hangs";

export async function cutTransfer(port: number, o: { bytes: number; times: number; cut(): void }): Promise<CutOutcome> {
  const socket = await open(port);
  const size = Buffer.alloc(9, "N");
  size.writeBigUInt64BE(BigInt(o.bytes), 1);
  socket.write(size);
  let got = 0;
  let cuts = 0;
  return await new Promise<CutOutcome>((resolve) => {
    const settle = (outcome: CutOutcome): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => settle("hangs"), 60_000);
    socket.on("data", (chunk: Buffer) => {
      if (!isPoured(chunk, got)) return settle("corrupt");
      got += chunk.length;
      if (got < (o.bytes / (o.times + 1)) * (cuts + 1) || cuts === o.times) return;
      cuts += 1;
      o.cut();
    });
    socket.once("error", () => settle("breaks visibly"));
    socket.once("end", () => settle(got === o.bytes ? "survives" : "ends as if complete"));
  });
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host, noDelay: true, allowHalfOpen: true });
  await once(socket, "connect");
  socket.on("error", () => undefined);
  return socket;
}

async function echo(socket: Socket): Promise<void> {
  const answered = once(socket, "data");
  socket.write("Ex");
  await answered;
}

/** One more byte on a connection that has an echo. */
async function again(socket: Socket): Promise<void> {
  const answered = once(socket, "data");
  socket.write("x");
  await answered;
}

function ask(socket: Socket, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let have = 0;
    const onClose = (): void => reject(new Error("The connection broke under a request."));
    const onData = (chunk: Buffer): void => {
      have += chunk.length;
      if (have < bytes) return;
      socket.off("data", onData).off("close", onClose);
      if (have === bytes && isAnswer(chunk)) resolve();
      else reject(new Error("An answer is not what was asked for."));
    };
    socket.on("data", onData).once("close", onClose);
    socket.write(request);
  });
}

/** How many bytes an answer has: as many as every other one on this way. */
function askFirst(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    let have = Buffer.alloc(0);
    const onClose = (): void => reject(new Error("The connection broke under the first request."));
    const onData = (chunk: Buffer): void => {
      have = Buffer.concat([have, chunk]);
      if (!isAnswer(have)) return;
      socket.off("data", onData).off("close", onClose);
      resolve(have.length);
    };
    socket.on("data", onData).once("close", onClose);
    socket.write(request);
  });
}

function warmUpMs(seconds: number): number {
  return Math.min(500, seconds * 500);
}
