/** Answers as a registry gives them. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Problem } from "./image-request.ts";

/** Containers' runtimes look for it to know what they speak with. */
const apiVersion = { "docker-distribution-api-version": "registry/2.0" } as const;

/** The specification's body for what went wrong. Harmless when an answer has begun: then it is broken off. */
export function answerProblem(
  res: ServerResponse,
  problem: Problem,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  // What was to be said of content is not true of this.
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  const { status, code, message } = problem;
  const body = JSON.stringify({ errors: [{ code, message }] });
  res.writeHead(status, {
    ...apiVersion,
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    ...headers,
  });
  res.end(body);
}

export function answerPing(res: ServerResponse): void {
  res.writeHead(200, { ...apiVersion, "content-type": "application/json", "content-length": 2 });
  res.end("{}");
}

/** The answer's head for a manifest or a blob. */
export function contentHead(o: {
  digest: string;
  type: string | undefined;
  length: number;
}): Record<string, string | number> {
  return {
    ...apiVersion,
    "content-type": o.type ?? "application/octet-stream",
    "content-length": o.length,
    "docker-content-digest": o.digest,
    "accept-ranges": "bytes",
  };
}

/** Of an answer that says what went wrong, the first message; undefined when it says none that can be understood. */
export async function readProblem(
  answer: IncomingMessage,
): Promise<{ code: string | undefined; message: string | undefined }> {
  const text = await readText(answer, mostProblemBytes).catch(() => "");
  const { errors } = asRecord(parse(text));
  const first = asRecord(Array.isArray(errors) ? errors[0] : undefined);
  const word = (value: unknown): string | undefined =>
    typeof value === "string" ? value.slice(0, 512).toWellFormed() : undefined;
  return { code: word(first.code), message: word(first.message) };
}

const mostProblemBytes = 16_384;

/** The whole body, if it is not longer than that; else the answer is broken off and the promise rejects. */
export async function readBytes(answer: IncomingMessage, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer) {
    const bytes: unknown = chunk;
    if (!Buffer.isBuffer(bytes)) throw new Error("The answer is no bytes.");
    length += bytes.length;
    if (length > most) {
      answer.destroy();
      throw new Error(`The answer is longer than ${most} bytes.`);
    }
    chunks.push(bytes);
  }
  if (!answer.complete) throw new Error("The answer broke off.");
  return Buffer.concat(chunks);
}

export async function readText(answer: IncomingMessage, most: number): Promise<string> {
  return (await readBytes(answer, most)).toString();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
