/** A WebSocket client of a few lines for exec and port-forward: binary messages, no fragments, no library. */
import { randomBytes } from "node:crypto";
import { request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import type { Api } from "./api.ts";

export interface Channels {
  readonly protocol: string;
  send(channel: number, data: string | Uint8Array): void;
  /** Everything that has arrived on a channel so far. */
  received(channel: number): Buffer;
  readonly closed: Promise<void>;
  close(): void;
}

export function openChannels(api: Api, path: string, protocol: string): Promise<Channels> {
  return new Promise((resolve, reject) => {
    const url = new URL(path, api.server);
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      "Sec-WebSocket-Protocol": protocol,
      ...(api.token ? { Authorization: `Bearer ${api.token}` } : {}),
    };
    const request = httpsRequest(url, { headers, ...api.tls, agent: false });
    request.on("error", reject);
    request.on("response", (response) => {
      response.resume();
      reject(new Error(`the upgrade was answered with ${response.statusCode}`));
    });
    request.on("upgrade", (response, socket, head) => {
      resolve(channelsOf(socket, head, String(response.headers["sec-websocket-protocol"])));
    });
    request.end();
  });
}

function channelsOf(socket: Duplex, head: Buffer, protocol: string): Channels {
  const arrived = new Map<number, Buffer[]>();
  let pending = Buffer.alloc(0);
  const take = (chunk: Buffer): void => {
    pending = Buffer.concat([pending, chunk]);
    for (let frame = nextFrame(pending); frame; frame = nextFrame(pending)) {
      pending = pending.subarray(frame.end);
      if (frame.opcode === 8) socket.end();
      else if (frame.data.length > 0) {
        const channel = frame.data[0] ?? 0;
        arrived.set(channel, [...(arrived.get(channel) ?? []), frame.data.subarray(1)]);
      }
    }
  };
  socket.on("data", take).on("error", () => undefined);
  take(head);
  return {
    protocol,
    send: (channel, data) => socket.write(maskedFrame(Buffer.concat([Buffer.from([channel]), Buffer.from(data)]))),
    received: (channel) => Buffer.concat(arrived.get(channel) ?? []),
    closed: new Promise((done) => socket.once("close", () => done())),
    close: () => socket.destroy(),
  };
}

function nextFrame(bytes: Buffer): { opcode: number; data: Buffer; end: number } | undefined {
  if (bytes.length < 2) return undefined;
  let size = bytes.readUInt8(1) & 0x7f;
  let start = 2;
  if (size === 126) {
    if (bytes.length < 4) return undefined;
    [size, start] = [bytes.readUInt16BE(2), 4];
  } else if (size === 127) {
    if (bytes.length < 10) return undefined;
    [size, start] = [Number(bytes.readBigUInt64BE(2)), 10];
  }
  if (bytes.length < start + size) return undefined;
  return { opcode: bytes.readUInt8(0) & 0x0f, data: bytes.subarray(start, start + size), end: start + size };
}

function maskedFrame(data: Buffer): Buffer {
  const mask = randomBytes(4);
  const header =
    data.length < 126
      ? Buffer.from([0x82, 0x80 | data.length])
      : Buffer.from([0x82, 0x80 | 126, data.length >> 8, data.length & 0xff]);
  return Buffer.concat([header, mask, Buffer.from(data.map((byte, i) => byte ^ (mask[i & 3] ?? 0)))]);
}
