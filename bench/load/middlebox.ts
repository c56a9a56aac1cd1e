/**
 * What stands between two agents: passes TCP on to a port, each byte so many milliseconds late, and cuts all connections when told to.
 * `node middlebox.ts PORT DELAY_MS [BYTES_PER_SECOND BUFFER_BYTES]`, forked; it tells its own port, and takes the message "cut". With a rate, each
 * direction of a connection is as slow as that, and a queue of so many bytes stands before it, as in a router of those with too much memory.
 */
import { connect, createServer, type Socket } from "node:net";

const to = Number(process.argv[2]);
const delayMs = Number(process.argv[3] ?? 0);
const bytesPerMs = Number(process.argv[4] ?? Number.POSITIVE_INFINITY) / 1000;
/** Held in one direction of one connection: unless said, 25 ms at 20 Gbit/s. */
const mostHeldBytes = Number(process.argv[5] ?? 64 * 1024 * 1024);
/** At a rate, pieces of two full packets leave one by one. */
const pieceBytes = Number.isFinite(bytesPerMs) ? 2_896 : Number.POSITIVE_INFINITY;
const open = new Set<Socket>();

process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));
process.on("message", (message) => {
  if (message !== "cut") return;
  for (const socket of open) socket.resetAndDestroy();
});

const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const far = connect({ port: to, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  carry(near, far);
  carry(far, near);
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) process.send?.(address.port);
});

/** One direction. A break of either side breaks the other at once: only what arrives is late. */
function carry(from: Socket, into: Socket): void {
  const held: { readonly dueAt: number; readonly chunk: Buffer | undefined }[] = [];
  let head = 0;
  let heldBytes = 0;
  let timer: NodeJS.Timeout | undefined;
  /** When the wire has sent all that is held. */
  let freeAt = 0;

  const hold = (chunk: Buffer | undefined): void => {
    freeAt = Math.max(freeAt, performance.now());
    if (chunk === undefined) held.push({ dueAt: freeAt + delayMs, chunk });
    else {
      for (let at = 0; at < chunk.length; at += pieceBytes) {
        const piece = chunk.subarray(at, Math.min(chunk.length, at + pieceBytes));
        freeAt += piece.length / bytesPerMs;
        held.push({ dueAt: freeAt + delayMs, chunk: piece });
        heldBytes += piece.length;
      }
    }
    if (heldBytes + into.writableLength > mostHeldBytes) from.pause();
    if (freeAt + delayMs <= performance.now()) release();
    else timer ??= setTimeout(release, delayMs);
  };
  const release = (): void => {
    timer = undefined;
    const now = performance.now();
    while (head < held.length) {
      const next = held[head];
      if (!next) break;
      if (next.dueAt > now + 0.5) {
        timer = setTimeout(release, next.dueAt - now);
        break;
      }
      head += 1;
      heldBytes -= next.chunk?.length ?? 0;
      if (next.chunk) into.write(next.chunk);
      else into.end();
    }
    if (head === held.length || head > 4_096) {
      held.splice(0, head);
      head = 0;
    }
    if (heldBytes + into.writableLength <= mostHeldBytes / 2) from.resume();
  };

  open.add(from);
  from.on("data", hold);
  from.once("end", () => hold(undefined));
  from.on("error", () => undefined);
  into.on("drain", () => from.resume());
  from.once("close", () => {
    open.delete(from);
    clearTimeout(timer);
    if (from.errored || !from.readableEnded) into.resetAndDestroy();
  });
}
