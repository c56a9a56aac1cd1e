/**
 * The server's half of a WebSocket (RFC 6455), as much as exec and port-forward need: whole binary messages, pings,
 * a close with a code, and back-pressure both ways. The sandbox imports no WebSocket library.
 */
import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import type { ApiRequest } from "../api/request.ts";
import { badRequest } from "../status-error.ts";

export interface WebSocketListener {
  /** A whole message. Returning false stops reading until `resume`. */
  message(data: Buffer): boolean;
  /** Called once, however the connection ended. */
  closed(): void;
}

export interface WebSocket {
  /** The subprotocol that was agreed on. */
  readonly protocol: string;
  /** False when the other end should first take what waits; `drained` tells when it has. */
  send(...parts: Uint8Array[]): boolean;
  drained(then: () => void): void;
  resume(): void;
  close(code?: number): void;
}

/** A message above this breaks the connection (bytes). */
const maxMessageBytes = 16 * 1024 * 1024;

const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** The subprotocol of ours that the request asks for. Throws a 400 that names both sides' when there is none. */
export function agreedProtocol(request: ApiRequest, protocols: readonly string[]): string {
  const { headers } = request.raw;
  const asked = (headers["sec-websocket-protocol"] ?? headers.upgrade ?? "").split(",").map((name) => name.trim());
  const protocol = protocols.find((name) => asked.includes(name));
  if (protocol && headers["sec-websocket-key"]) return protocol;
  const wanted = asked.filter(Boolean).join(", ") || "none";
  throw badRequest(
    `the sandbox speaks ${protocols.join(" and ")} over a WebSocket here, and was asked for ${wanted}: use a real cluster for that`,
  );
}

/** Answers the upgrade and opens the WebSocket. Throws a 400 when no subprotocol of ours is asked for. */
export function acceptWebSocket(
  request: ApiRequest,
  socket: Duplex,
  head: Buffer,
  protocols: readonly string[],
  listen: (webSocket: WebSocket) => WebSocketListener,
): void {
  const protocol = agreedProtocol(request, protocols);
  const key = request.raw.headers["sec-websocket-key"] ?? "";
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
  );
  run(socket, head, protocol, request.signal, listen);
}

function run(
  socket: Duplex,
  head: Buffer,
  protocol: string,
  signal: AbortSignal,
  listen: (webSocket: WebSocket) => WebSocketListener,
): void {
  let pending = head;
  let message: Buffer[] = [];
  let isClosing = false;
  let isPaused = false;
  const webSocket: WebSocket = {
    protocol,
    send: (...parts) => !isClosing && socket.writable && write(socket, opcodes.binary, Buffer.concat(parts)),
    drained: (then) => void socket.once("drain", then),
    resume: () => {
      if (!isPaused) return;
      isPaused = false;
      take();
    },
    close: (code = 1000) => {
      if (isClosing) return;
      isClosing = true;
      if (socket.writable) {
        write(socket, opcodes.close, Buffer.from([code >> 8, code & 0xff]));
        socket.end();
      }
      // The other end should close now too; it is not waited for without end.
      setTimeout(() => socket.destroy(), 2_000).unref();
    },
  };
  const listener = listen(webSocket);

  const onFrame = ({ opcode, final, data }: Frame): void => {
    if (opcode === opcodes.close) webSocket.close();
    else if (opcode === opcodes.ping) write(socket, opcodes.pong, data);
    else if (opcode !== opcodes.pong) {
      message.push(data);
      if (message.reduce((sum, part) => sum + part.length, 0) > maxMessageBytes) socket.destroy();
      if (!final) return;
      const whole = Buffer.concat(message);
      message = [];
      if (!isClosing) isPaused = !listener.message(whole);
    }
  };
  const take = (): void => {
    while (!isPaused && !socket.destroyed) {
      const frame = readFrame(pending);
      if (frame === "invalid") {
        socket.destroy();
        return;
      }
      if (!frame) break;
      pending = pending.subarray(frame.length);
      onFrame(frame);
    }
    if (isPaused) socket.pause();
    else socket.resume();
  };
  socket.on("data", (chunk: Buffer) => {
    pending = pending.length > 0 ? Buffer.concat([pending, chunk]) : chunk;
    take();
  });
  const stop = (): void => void socket.destroy();
  signal.addEventListener("abort", stop, { once: true });
  socket.once("end", stop);
  socket.once("close", () => {
    signal.removeEventListener("abort", stop);
    listener.closed();
  });
  take();
}

interface Frame {
  opcode: number;
  final: boolean;
  data: Buffer;
  /** Bytes of the frame with its header. */
  length: number;
}

function readFrame(bytes: Buffer): Frame | "invalid" | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  const isMasked = (second & 0x80) !== 0;
  let size = second & 0x7f;
  let offset = 2;
  if (size === 126) {
    if (bytes.length < 4) return undefined;
    size = bytes.readUInt16BE(2);
    offset = 4;
  } else if (size === 127) {
    if (bytes.length < 10) return undefined;
    const wide = bytes.readBigUInt64BE(2);
    if (wide > BigInt(maxMessageBytes)) return "invalid";
    size = Number(wide);
    offset = 10;
  }
  // A client masks every frame, and uses no reserved bits without an extension.
  if (!isMasked || (first & 0x70) !== 0) return "invalid";
  const length = offset + 4 + size;
  if (bytes.length < length) return undefined;
  const mask = bytes.subarray(offset, offset + 4);
  const data = Buffer.from(bytes.subarray(offset + 4, length));
  for (let i = 0; i < data.length; i++) data[i] = (data[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return { opcode: first & 0x0f, final: (first & 0x80) !== 0, data, length };
}

function write(socket: Duplex, opcode: number, data: Buffer): boolean {
  const { length } = data;
  const header =
    length < 126 ? Buffer.from([0x80 | opcode, length]) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  if (header.length > 2) {
    header[0] = 0x80 | opcode;
    header[1] = header.length === 4 ? 126 : 127;
  }
  return socket.write(Buffer.concat([header, data]));
}
