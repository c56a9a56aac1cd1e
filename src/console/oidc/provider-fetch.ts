/** How a provider is asked: by Node's own HTTP, under the roots that the operator trusts, and never for more than an answer should have. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { CustomFetch } from "openid-client";

/** Of one answer, in bytes. */
const mostBytes = 1024 * 1024;

/** `ca` gives roots in the place of the public ones, as PEM, and is asked each time, since they may change. A redirect is not followed. */
export function createProviderFetch(ca: (() => Promise<string>) | undefined): CustomFetch {
  return async (url, { method, headers, body, signal }) => {
    const roots = await ca?.();
    const sent = body == null ? undefined : Buffer.from(await new Response(body).arrayBuffer());
    const options = { method, headers, ...(signal && { signal }), ...(roots !== undefined && { ca: roots }) };
    try {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        const request = url.startsWith("https:") ? httpsRequest(url, options) : httpRequest(url, options);
        request.once("response", resolve).once("error", reject).end(sent);
      });
      return await whole(answer);
    } catch (cause) {
      signal?.throwIfAborted();
      // As `fetch` says it.
      throw new TypeError("fetch failed", { cause });
    }
  };
}

async function whole(answer: IncomingMessage): Promise<Response> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.byteLength;
    if (size > mostBytes) throw new Error(`The provider answers with more than ${mostBytes} bytes.`);
    parts.push(part);
  }
  const headers = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  const { statusCode: status = 0, statusMessage: statusText = "" } = answer;
  const isBare = [204, 205, 304].includes(status);
  return new Response(isBare ? null : Buffer.concat(parts), { status, statusText, headers });
}
