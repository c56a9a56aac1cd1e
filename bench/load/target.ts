/**
 * What all ways lead to: a server of TCP, at the port that it is given, or whose port it tells the process that forked it. It listens on all addresses, for
 * agents lead nobody to loopback.
 * The first byte of a connection says what happens.
 */
import { createServer, type Socket } from "node:net";
import { isHttp, poured, requestEnd, response } from "./conversation.ts";

process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));

/** Those that it sends to without end. */
const pouring = new Set<Socket>();

const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on("error", () => undefined);
  socket.once("data", (first: Buffer) => {
    const rest = first.subarray(1);
    switch (String.fromCharCode(first[0] ?? 0)) {
      case "D":
        pouring.add(socket);
        socket.once("close", () => pouring.delete(socket));
        pour(socket, Number.POSITIVE_INFINITY);
        break;
      case "H":
        tellPoured(socket);
        break;
      case "N":
        pour(socket, Number(rest.readBigUInt64BE(0)));
        break;
      case "U":
        sink(socket, rest.length);
        break;
      case "E":
        if (rest.length > 0) socket.write(rest);
        socket.pipe(socket);
        break;
      default:
        if (isHttp(first)) answer(socket, first);
        else socket.destroy();
    }
  });
});
server.listen({ port: Number(process.argv[2] ?? 0), host: "0.0.0.0", backlog: 4_096 }, () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) process.send?.(address.port);
});

/** Sends so many bytes of the known sequence, and ends. */
function pour(socket: Socket, bytes: number): void {
  let sent = 0;
  const more = (): void => {
    while (sent < bytes && !socket.destroyed) {
      const piece = poured(sent, bytes - sent);
      sent += piece.length;
      if (!socket.write(piece)) return;
    }
    if (sent >= bytes) socket.end();
  };
  socket.on("drain", more).resume();
  more();
}

/** How much it could send to those to which it sends without end, the kernel's buffers included. */
function tellPoured(socket: Socket): void {
  let bytes = 0;
  for (const one of pouring) bytes += one.bytesWritten - one.writableLength;
  const count = Buffer.alloc(8);
  count.writeBigUInt64BE(BigInt(bytes));
  socket.end(count);
}

/** Counts what comes, and tells the sum every 20 ms; not at the end, for not every way has a half-close. */
function sink(socket: Socket, already: number): void {
  let bytes = already;
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  const timer = setInterval(() => {
    const count = Buffer.alloc(8);
    count.writeBigUInt64BE(BigInt(bytes));
    socket.write(count);
  }, 20);
  socket.once("close", () => clearInterval(timer)).once("end", () => socket.end());
}

/** One answer for each request, none of which has a body. */
function answer(socket: Socket, first: Buffer): void {
  let rest = "";
  const take = (chunk: Buffer): void => {
    const texts = (rest + chunk.toString("latin1")).split(requestEnd);
    rest = texts.pop() ?? "";
    for (const _ of texts) socket.write(response);
  };
  socket.on("data", take).once("end", () => socket.end());
  take(first);
}
