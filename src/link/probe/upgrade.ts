import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import { WebSocketStream } from "../websocket-stream.ts";
import type { UpgradeSeen } from "./observation.ts";

/** Of a refusal's body, in bytes: enough to recognise whose page it is. */
const mostBody = 2_048;
const mostExcerpt = 200;

/** Asks for a WebSocket as the dialler does, and tells the answer whatever it is. Rejects with the signal's reason alone. */
export function openUpgrade(
  clock: Clock,
  url: URL,
  socket: Duplex,
  signal: AbortSignal,
): Promise<{ seen: UpgradeSeen; webSocket: Duplex | undefined }> {
  const common = { step: "upgrade", host: url.host, path: url.pathname } as const;
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, {
      perMessageDeflate: false,
      createConnection: () => socket,
      followRedirects: false,
      maxPayload: 65_536,
    });
    let head: Partial<UpgradeSeen> = {};
    ws.on("error", (error) => {
      ws.terminate();
      resolve({ seen: { ...common, ...head, error: errorText(error) }, webSocket: undefined });
    });
    ws.once("upgrade", (response) => {
      head = describeHead(response, clock.now());
    });
    ws.once("unexpected-response", (_request, response: IncomingMessage) => {
      head = describeHead(response, clock.now());
      void readExcerpt(response).then((excerpt) => {
        socket.destroy();
        resolve({ seen: { ...common, ...head, ...(excerpt && { excerpt }) }, webSocket: undefined });
      });
    });
    ws.once("open", () => resolve({ seen: { ...common, ...head }, webSocket: new WebSocketStream(ws, socket, false) }));
    signal.addEventListener("abort", () => {
      reject(signal.reason);
      ws.terminate();
      socket.destroy();
    });
  });
}

function describeHead({ statusCode, headers }: IncomingMessage, now: number): Partial<UpgradeSeen> {
  const date = Date.parse(headers.date ?? "");
  return {
    ...(statusCode !== undefined && { status: statusCode }),
    ...(headers.server !== undefined && { server: String(headers.server).slice(0, 100) }),
    ...(headers.location !== undefined && { location: headers.location.slice(0, 300) }),
    ...(!Number.isNaN(date) && { aheadMs: date - now }),
  };
}

/** The text of a page without its marks. Never rejects; what breaks off is taken as far as it came. */
async function readExcerpt(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response) {
      const buffer = Buffer.from(chunk);
      chunks.push(buffer);
      bytes += buffer.length;
      if (bytes >= mostBody) break;
    }
  } catch {
    // The head has told what there is to tell.
  }
  const page = Buffer.concat(chunks).subarray(0, mostBody).toString("utf8");
  const text = page.replaceAll(/<(style|script)[\s\S]*?<\/\1>|<[^>]*>/gi, " ").replaceAll(/[\p{Cc}\s]+/gu, " ");
  return text.trim().slice(0, mostExcerpt);
}
