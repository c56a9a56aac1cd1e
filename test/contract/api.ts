/** The smallest client that can ask an API server anything: `node:https` and JSON, so that the suite depends on nothing. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { parse } from "yaml";

// biome-ignore lint/suspicious/noExplicitAny: answers are judged by assertions, field by field.
export type Json = any;

export interface Answer {
  status: number;
  body: Json;
  headers: IncomingMessage["headers"];
}

export interface Ask {
  body?: unknown;
  type?: string;
  query?: Record<string, string | number | boolean>;
  accept?: string;
  token?: string;
}

export interface WatchEvent {
  type: string;
  object: Json;
}

export interface Watch {
  /** The next event; fails when none comes within the deadline. */
  next(): Promise<WatchEvent>;
  /** The next event that is not a bookmark. */
  nextChange(): Promise<WatchEvent>;
  readonly ended: Promise<void>;
  close(): void;
}

export interface Api {
  readonly server: URL;
  readonly token: string | undefined;
  ask(method: string, path: string, o?: Ask): Promise<Answer>;
  watch(path: string, query?: Ask["query"]): Promise<Watch>;
  /** The bare response, for answers that stream. */
  open(method: string, path: string, o?: Ask & { headers?: Record<string, string> }): Promise<IncomingMessage>;
  /** What a request to this server needs, for those who make their own. */
  readonly tls: { ca?: Buffer; cert?: Buffer; key?: Buffer };
  close(): void;
}

const deadlineMs = 20_000;

export const mergePatch = "application/merge-patch+json";
export const jsonPatch = "application/json-patch+json";
export const strategicPatch = "application/strategic-merge-patch+json";
export const applyPatch = "application/apply-patch+yaml";

export function connectApi(kubeconfig: string): Api {
  const config: Json = parse(kubeconfig);
  const { context } = config.contexts.find((c: Json) => c.name === config["current-context"]);
  const { cluster } = config.clusters.find((c: Json) => c.name === context.cluster);
  const { user } = config.users.find((u: Json) => u.name === context.user);
  const server = new URL(cluster.server);
  const bytes = (base64: string | undefined): Buffer | undefined =>
    base64 ? Buffer.from(base64, "base64") : undefined;
  const tls: Api["tls"] = {};
  const [ca, cert, key] = [
    cluster["certificate-authority-data"],
    user["client-certificate-data"],
    user["client-key-data"],
  ].map(bytes);
  if (ca) tls.ca = ca;
  if (cert) tls.cert = cert;
  if (key) tls.key = key;
  const agent = new Agent({ ...tls, keepAlive: true });
  const token: string | undefined = user.token;

  const open: Api["open"] = (method, path, o = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL(path, server);
      for (const [name, value] of Object.entries(o.query ?? {})) url.searchParams.append(name, String(value));
      const bearer = o.token ?? token;
      const body = o.body === undefined || typeof o.body === "string" ? o.body : JSON.stringify(o.body);
      const headers = {
        Accept: o.accept ?? "application/json",
        "User-Agent": "contract/1",
        ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}),
        ...(body === undefined
          ? {}
          : { "Content-Type": o.type ?? "application/json", "Content-Length": Buffer.byteLength(body) }),
        ...o.headers,
      };
      const secure = url.protocol === "https:";
      // A foreign token must not come with our certificate.
      const own = o.token === undefined ? { agent } : { ca: tls.ca, agent: false as const };
      const sent = secure ? httpsRequest(url, { method, headers, ...own }) : httpRequest(url, { method, headers });
      sent.on("response", resolve).on("error", reject);
      sent.end(body);
    });

  return {
    server,
    token,
    tls,
    open,
    async ask(method, path, o) {
      const response = await open(method, path, o);
      const text = await readAll(response);
      const isJson = (response.headers["content-type"] ?? "").includes("json");
      return {
        status: response.statusCode ?? 0,
        body: isJson && text ? JSON.parse(text) : text,
        headers: response.headers,
      };
    },
    async watch(path, query = {}) {
      const response = await open("GET", path, { query: { watch: true, ...query } });
      return watchOf(response);
    },
    close: () => agent.destroy(),
  };
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

async function watchOf(response: IncomingMessage): Promise<Watch> {
  const events: WatchEvent[] = [];
  let wake = (): void => undefined;
  let rest = "";
  if (response.statusCode !== 200) events.push({ type: "ERROR", object: JSON.parse(await readAll(response)) });
  response.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line) events.push(JSON.parse(line));
    wake();
  });
  const ended = new Promise<void>((resolve) => response.on("close", resolve));
  response.on("error", () => undefined);
  const next = async (): Promise<WatchEvent> => {
    const deadline = AbortSignal.timeout(deadlineMs);
    for (;;) {
      const event = events.shift();
      if (event) return event;
      await new Promise<void>((resolve, reject) => {
        wake = resolve;
        deadline.addEventListener("abort", () => reject(new Error(`no watch event within ${deadlineMs} ms`)), {
          once: true,
        });
      });
    }
  };
  return {
    next,
    async nextChange() {
      for (;;) {
        const event = await next();
        if (event.type !== "BOOKMARK") return event;
      }
    },
    ended,
    close: () => response.destroy(),
  };
}

/** Asks again until the answer is as wanted, and fails with the last one when it is not in time. */
export async function eventually<T>(
  ask: () => Promise<T>,
  isRight: (value: T) => boolean,
  withinMs = 30_000,
): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const value = await ask();
    if (isRight(value)) return value;
    if (performance.now() > end)
      throw new Error(`not so within ${withinMs} ms; last: ${JSON.stringify(value).slice(0, 3000)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
