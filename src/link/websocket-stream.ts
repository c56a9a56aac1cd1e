/**
 * A WebSocket as a Duplex of bytes. Message boundaries mean nothing; each message is binary and at most 64 KiB. The end of the
 * Duplex is the WebSocket's close handshake with code 1000, its destruction is a cut. There is no half-close.
 */
import { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { BinaryFrames } from "./binary-frames.ts";
import { maxMessageBytes, packMessages } from "./messages.ts";

/** Codes (RFC 6455 §7.4.1) that end a stream; every other one, and none, breaks it. 1005: a close frame without a code. */
const orderlyCloses: ReadonlySet<number> = new Set([1000, 1001, 1005]);

/** "Unsupported data": this end takes binary messages only. */
const closeTextMessage = 1003;

interface WriteRequest {
  readonly chunk: Buffer;
}

export class WebSocketStream extends Duplex {
  readonly #ws: WebSocket;
  readonly #socket: Duplex;

  readonly #onFrame = new Set<() => void>();

  /**
   * Owns `ws`, which must have opened this very moment, from now on. `socket` is what it reads and writes: one turn's messages leave as one
   * write, and what comes is taken from it before `ws` sees it, if it is plain. `masked`: the other end masks, since it has dialled.
   */
  constructor(ws: WebSocket, socket: Duplex, masked: boolean) {
    super({ allowHalfOpen: false });
    this.#ws = ws;
    this.#socket = socket;
    // A stranger can break the protocol in the very packet that opens it, before anybody above listens; that must not
    // end the process. Whoever comes later finds the stream destroyed.
    this.on("error", () => {});
    ws.on("message", (data, binary) => this.#onMessage(data, binary));
    ws.on("error", (error) => this.destroy(error));
    ws.on("close", (code, reason) => this.#onClose(code, reason));
    this.#readPlainFrames(masked);
  }

  /** The way past `ws`, which reads its socket by one listener. */
  #readPlainFrames(masked: boolean): void {
    const socket = this.#socket;
    const [toWebSocket] = socket.listeners("data");
    if (toWebSocket === undefined) return;
    let broken = false;
    this.#ws.once("error", () => {
      broken = true;
    });
    const frames = new BinaryFrames(
      {
        payload: (piece) => {
          if (!this.push(piece)) this.#ws.pause();
        },
        other: (bytes) => {
          // After an error it listens no more.
          if (!broken) toWebSocket.call(socket, bytes);
        },
        begun: () => {
          for (const listener of this.#onFrame) listener();
        },
      },
      { masked, maxPayload: maxMessageBytes },
    );
    socket.on("data", (chunk: Buffer) => frames.take(chunk));
    socket.off("data", toWebSocket as (chunk: Buffer) => void);
    // When it is closed while it is paused, `ws` would read the rest by itself, and from the middle of a frame.
    socket.prependListener("close", () => {
      const rest: unknown = socket.read();
      if (Buffer.isBuffer(rest)) frames.take(rest);
    });
  }

  /** Calls `listener` for each message, ping and pong that comes, until the returned function is called. */
  onEachFrame(listener: () => void): () => void {
    this.#onFrame.add(listener);
    for (const kind of ["message", "ping", "pong"] as const) this.#ws.on(kind, listener);
    return () => {
      this.#onFrame.delete(listener);
      for (const kind of ["message", "ping", "pong"] as const) this.#ws.off(kind, listener);
    };
  }

  #onMessage(data: WebSocket.RawData, binary: boolean): void {
    if (!binary || !Buffer.isBuffer(data)) {
      this.#ws.close(closeTextMessage);
      this.destroy(new Error("The other end of the WebSocket sent a text message; only binary ones are spoken here."));
    } else if (!this.push(data)) {
      this.#ws.pause();
    }
  }

  #onClose(code: number, reason: Buffer): void {
    if (orderlyCloses.has(code)) {
      this.push(null);
      return;
    }
    const told = reason.length > 0 ? `, saying ${JSON.stringify(reason.toString("utf8"))}` : "";
    this.destroy(
      new Error(
        code === 1006
          ? "The WebSocket was cut: it ended without a close frame."
          : `The WebSocket was closed with code ${code}${told}.`,
      ),
    );
  }

  override _read(): void {
    if (this.#ws.isPaused) this.#ws.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#send([chunk], callback);
  }

  override _writev(requests: WriteRequest[], callback: (error?: Error | null) => void): void {
    this.#send(
      requests.map((request) => request.chunk),
      callback,
    );
  }

  /** Calls back when the kernel has taken the last byte, so that a slow network holds up the writer. */
  #send(chunks: readonly Buffer[], callback: (error?: Error | null) => void): void {
    const messages = packMessages(chunks);
    this.#socket.cork();
    for (const [index, message] of messages.entries()) {
      this.#ws.send(message, index === messages.length - 1 ? callback : undefined);
    }
    this.#socket.uncork();
    if (messages.length === 0) callback();
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#ws.close(1000);
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // A WebSocket that is closing already says why to the other end, and is bounded by its close time-out.
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.terminate();
    callback(error);
  }
}
