/** A request as the handlers see it: who asks, for which resource, and how the answer should look. */
import type { IncomingMessage } from "node:http";
import { parse } from "yaml";
import { errorText } from "../../base/error-text.ts";
import { badRequest, StatusError, unsupportedMediaType } from "../status-error.ts";
import type { User } from "./users.ts";

export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly user: User;
  readonly raw: IncomingMessage;
  /** Aborts when the client has gone or the sandbox closes. */
  readonly signal: AbortSignal;
  readonly warnings: string[];
  /** Set when the resource is another's second face: turns bodies into stored words, and objects back. */
  readonly readThrough?: (body: unknown) => unknown;
  readonly showThrough?: (object: unknown) => unknown;
}

/** Where a path under /api or /apis points. */
export interface Target {
  group: string;
  version: string;
  plural: string;
  namespace?: string;
  name?: string;
  subresource?: string;
}

/** Bodies above this are refused, as the real server refuses them (bytes). */
const maxBodyBytes = 3 * 1024 * 1024;

/** Reads `/api/v1/…` and `/apis/<group>/<version>/…`; undefined for other paths. */
export function parseTarget(path: string): Target | undefined {
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  const [root] = parts;
  if (root !== "api" && root !== "apis") return undefined;
  const [group, version, ...rest] = root === "api" ? ["", ...parts.slice(1)] : parts.slice(1);
  if (group === undefined || !version || rest.length === 0) return undefined;
  const isInNamespace = rest[0] === "namespaces" && rest.length > 2 && !["status", "finalize"].includes(rest[2] ?? "");
  const namespace = isInNamespace ? rest[1] : undefined;
  const [plural = "", name, ...sub] = isInNamespace ? rest.slice(2) : rest;
  return {
    group,
    version,
    plural,
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(sub.length > 0 ? { subresource: sub.join("/") } : {}),
  };
}

export function mediaType(raw: IncomingMessage): string {
  return (raw.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** The JSON or YAML body; undefined when there is none. */
export async function readBody(raw: IncomingMessage, accepted: readonly string[]): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of raw) {
    if (!(chunk instanceof Buffer)) continue;
    size += chunk.length;
    if (size > maxBodyBytes)
      throw new StatusError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${maxBodyBytes}`);
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  const type = mediaType(raw) || "application/json";
  if (!accepted.includes(type)) throw unsupportedMediaType(type, accepted);
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    return type.includes("yaml") ? parse(text) : JSON.parse(text);
  } catch (cause) {
    throw badRequest(`the object provided is unrecognized: ${errorText(cause)}`);
  }
}

export const jsonOrYaml = ["application/json", "application/yaml"];

/** The name under which a client owns fields when it gives none: the first word of its User-Agent. */
export function managerOf(request: ApiRequest): string {
  const given = request.query.get("fieldManager");
  if (given) return given;
  return (request.raw.headers["user-agent"] ?? "unknown").split("/")[0]?.slice(0, 128) || "unknown";
}

/** Whether the client would like a table, as kubectl does for its own output. */
export function wantsTable(request: ApiRequest): boolean {
  const [first = ""] = (request.raw.headers.accept ?? "").split(",");
  return first.includes("as=Table") && first.includes("g=meta.k8s.io");
}

export function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value === "" || value === "1" || value === "true";
}
