/** A way between two ends that a test can cut: all connections on it at once. Later ones pass again, unless it is shut. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface CutProxy {
  readonly port: number;
  /** Bytes that passed so far, in both directions. */
  readonly passed: number;
  /** Calls `act` as soon as so many bytes more have passed, before the next may. */
  after(bytes: number, act: () => void): void;
  /** How many connections were cut. */
  cut(): number;
  /** Cuts all, and whatever comes until it is opened. */
  shut(): void;
  open(): void;
  close(): void;
}

/** `at` is the address of this machine where it listens: loopback unless given. */
export async function openCutProxy(to: { host: string; port: number }, at = "127.0.0.1"): Promise<CutProxy> {
  const sockets = new Set<Socket>();
  let isShut = false;
  let passed = 0;
  let due: { at: number; act: () => void } | undefined;
  const count = (bytes: Buffer): void => {
    passed += bytes.length;
    if (!due || passed < due.at) return;
    const { act } = due;
    due = undefined;
    act();
  };
  const server = createServer((near) => {
    if (isShut) {
      near.on("error", () => undefined).resetAndDestroy();
      return;
    }
    const far = connect(to);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.on("data", count).pipe(other);
    }
  });
  server.listen(0, at);
  await once(server, "listening");
  const address = server.address();
  if (!address || typeof address !== "object") throw new Error("no port");
  const cut = (): number => {
    const ends = sockets.size;
    for (const socket of sockets) socket.resetAndDestroy();
    return ends / 2;
  };
  return {
    port: address.port,
    get passed() {
      return passed;
    },
    after(bytes, act) {
      due = { at: passed + bytes, act };
    },
    cut,
    shut() {
      isShut = true;
      cut();
    },
    open() {
      isShut = false;
    },
    close() {
      server.close();
      cut();
    },
  };
}
