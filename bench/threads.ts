/**
 * What it would give to have TLS and its WebSocket in threads of their own: `node bench/threads.ts [MiB]`. Bytes go through mutual TLS in a
 * WebSocket, once with both ends in one thread, and once with each end in a worker, to and from which buffers are moved and not copied.
 * It tells the processor time of the thread where the agent would do all else, and of the whole process.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { type MessagePort, parentPort, Worker } from "node:worker_threads";
import { systemClock } from "../src/base/clock.ts";
import { silentLog } from "../src/base/log.ts";
import { YoungHeap } from "../src/base/young-heap.ts";
import { loadIdentity } from "../src/identity/identity.ts";
import { createSecurer } from "../src/link/secure.ts";
import { acceptWebSocket, openWebSocket } from "../src/link/websocket.ts";
import { createMemoryStore } from "../test/identity/memory-store.ts";

interface Place {
  readonly port: number;
  readonly fingerprint: string;
}

/** Who sends and who receives, wherever it is. */
interface Ends {
  /** Resolves when the bytes are on their way. */
  send(piece: Uint8Array<ArrayBuffer>): Promise<void>;
  close(): void;
}

const host = "127.0.0.1";
const pieceBytes = 64 * 1024;
/** Pieces on their way to the sender at a time. */
const ahead = 4;
const rounds = 3;
const never = new AbortController().signal;
const newIdentity = () => loadIdentity({ store: createMemoryStore(), clock: systemClock, log: silentLog }, never);

if (parentPort) await work(parentPort);
else await measure(Number(process.argv[2] ?? 128) * 1024 * 1024);

/** Listens, and hands over what comes out of TLS. */
async function receive(arrived: (piece: Buffer) => void): Promise<Place & { close(): void }> {
  const identity = await newIdentity();
  const securer = createSecurer({ identity, now: () => Date.now() });
  const heap = new YoungHeap();
  const server = createServer().listen(0, host);
  server.on("upgrade", (request, socket, head) => {
    void acceptWebSocket(request, socket, head)
      .then((stream) => securer.accept(stream, never))
      .then(({ stream }) =>
        stream.on("data", (piece: Buffer) => {
          heap.passed(piece.length);
          arrived(piece);
        }),
      );
  });
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    fingerprint: identity.fingerprint,
    close() {
      identity.close();
      server.close();
    },
  };
}

async function sendTo({ port, fingerprint }: Place): Promise<Ends> {
  const identity = await newIdentity();
  const heap = new YoungHeap();
  const tcp = connectTcp({ port, host, noDelay: true });
  await once(tcp, "connect");
  const webSocket = await openWebSocket(new URL(`ws://${host}:${port}/link`), tcp, never);
  const { stream } = await createSecurer({ identity, now: () => Date.now() }).dial(webSocket, { fingerprint }, never);
  return {
    send(piece) {
      heap.passed(piece.length);
      return new Promise((resolve) => stream.write(piece, () => resolve()));
    },
    close() {
      stream.destroy();
      identity.close();
    },
  };
}

/** What a worker is told first decides which end it is. */
async function work(port: MessagePort): Promise<void> {
  const [told] = (await once(port, "message")) as [Place | undefined];
  if (told === undefined) {
    const { fingerprint, port: at } = await receive((piece) => {
      // TLS gives each piece a buffer of its own; any other has to be copied to be moved.
      const own = piece.byteLength === piece.buffer.byteLength ? piece.buffer : Uint8Array.from(piece).buffer;
      if (own instanceof ArrayBuffer) port.postMessage(own, [own]);
    });
    port.postMessage({ port: at, fingerprint });
  } else {
    const { send } = await sendTo(told);
    port.on("message", (buffer: ArrayBuffer) => void send(new Uint8Array(buffer)).then(() => port.postMessage("sent")));
    port.postMessage("ready");
  }
}

async function measure(bytes: number): Promise<void> {
  let came = 0;
  let all: (() => void) | undefined;
  const arrived = (count: number): void => {
    came += count;
    if (came >= bytes) all?.();
  };
  const here = await receive((piece) => arrived(piece.length));
  const hereEnds = await sendTo(here);
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url)));
  const thereEnds = await inWorkers(workers, arrived);

  const rows = [
    {
      name: "both ends in this thread",
      ends: hereEnds,
      rates: [] as number[],
      main: [] as number[],
      cpu: [] as number[],
    },
    {
      name: "each end in a thread of its own",
      ends: thereEnds,
      rates: [] as number[],
      main: [] as number[],
      cpu: [] as number[],
    },
  ];
  for (let round = 0; round <= rounds; round++) {
    for (const { ends, rates, main, cpu } of rows) {
      came = 0;
      const done = new Promise<void>((resolve) => {
        all = resolve;
      });
      const before = {
        at: performance.now(),
        main: seconds(process.threadCpuUsage()),
        cpu: seconds(process.cpuUsage()),
      };
      let left = bytes / pieceBytes;
      const pour = async (): Promise<void> => {
        while (left-- > 0) await ends.send(new Uint8Array(pieceBytes));
      };
      await Promise.all(Array.from({ length: ahead }, pour));
      await done;
      // The first round warms up.
      if (round === 0) continue;
      rates.push((bytes * 8) / 1e6 / (performance.now() - before.at));
      main.push(((seconds(process.threadCpuUsage()) - before.main) / bytes) * 2 ** 30);
      cpu.push(((seconds(process.cpuUsage()) - before.cpu) / bytes) * 2 ** 30);
    }
  }
  console.table(
    rows.map(({ name, rates, main, cpu }) => ({
      where: name,
      "Gbit/s": median(rates),
      "CPU of the main thread, s/GiB": median(main),
      "CPU of all, s/GiB": median(cpu),
    })),
  );
  hereEnds.close();
  here.close();
  await Promise.all(workers.map((worker) => worker.terminate()));
  process.exit(0);
}

async function inWorkers([near, far]: Worker[], arrived: (bytes: number) => void): Promise<Ends> {
  if (!near || !far) throw new Error("There are two ends.");
  far.postMessage(undefined);
  const [place] = (await once(far, "message")) as [Place];
  far.on("message", (buffer: ArrayBuffer) => arrived(buffer.byteLength));
  near.postMessage(place);
  await once(near, "message");
  const sent: (() => void)[] = [];
  near.on("message", () => sent.shift()?.());
  return {
    send(piece) {
      near.postMessage(piece.buffer, [piece.buffer]);
      return new Promise((resolve) => sent.push(resolve));
    },
    close: () => undefined,
  };
}

function seconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1e6;
}

function median(values: number[]): number {
  return Number((values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN).toFixed(2));
}
