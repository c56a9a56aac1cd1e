/** The requests of the OCI distribution specification's pull half that are answered here. Pure. */
import { isDigest } from "../policy/image.ts";

/** A manifest or a blob; `name` is the path between `/v2/` and the kind. */
export interface ImageRequest {
  readonly kind: "manifests" | "blobs";
  readonly name: string;
  readonly digest: string;
}

export type ReadRequest =
  | { readonly is: "ping" }
  | { readonly is: "content"; readonly request: ImageRequest }
  | { readonly is: "refused"; readonly problem: Problem };

/** An answer that is none of what was asked for, as the specification wants it said. */
export interface Problem {
  readonly status: number;
  /** One of the specification's codes. */
  readonly code: string;
  readonly message: string;
}

/** Longer than any name, with the digest behind it; characters. */
const mostPathChars = 1_024;

/** Only by digest: what a tag stands for was looked up at the origin before. Nothing is unescaped, since no name needs it. */
export function readImageRequest(method: string, url: string): ReadRequest {
  const path = url.split("?", 1)[0] ?? "";
  if (method !== "GET" && method !== "HEAD") return refused(405, "UNSUPPORTED", "images are only pulled here");
  if (path === "/v2/" || path === "/v2") return { is: "ping" };
  const [, name, kind, reference] = /^\/v2\/([a-z0-9._/-]+)\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? [];
  const isKind = kind === "manifests" || kind === "blobs";
  if (path.length > mostPathChars || name === undefined || !isKind || reference === undefined) {
    return refused(404, "UNSUPPORTED", "there are manifests and blobs here, and nothing else of a registry");
  }
  if (!isDigest(reference)) {
    const code = kind === "blobs" ? "DIGEST_INVALID" : "MANIFEST_INVALID";
    return refused(400, code, "images are pulled by digest here: sha256:…, in lower-case hexadecimal digits");
  }
  return { is: "content", request: { kind, name, digest: reference } };
}

/** A range of bytes; `last` is missing for "to the end". */
export interface ByteRange {
  readonly first: number;
  readonly last?: number;
}

/** Undefined for what is no single range that begins somewhere, which RFC 9110 lets a server ignore. */
export function readRange(header: string | undefined): ByteRange | undefined {
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(header?.trim() ?? "") ?? [];
  if (first === undefined) return undefined;
  if (last === undefined) return { first: Number(first) };
  return Number(last) < Number(first) ? undefined : { first: Number(first), last: Number(last) };
}

export function formatRange({ first, last }: ByteRange): string {
  return `bytes=${first}-${last ?? ""}`;
}

/** Which bytes an answer of status 206 has, and of how many. */
export function readContentRange(
  header: string | undefined,
): { first: number; last: number; total: number } | undefined {
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(header?.trim() ?? "") ?? [];
  if (first === undefined) return undefined;
  const range = { first: Number(first), last: Number(last), total: Number(total) };
  return range.first <= range.last && range.last < range.total ? range : undefined;
}

/** How many bytes an answer says that it has; undefined when it does not say. */
export function readLength(header: string | undefined): number | undefined {
  return /^\d{1,15}$/.test(header ?? "") ? Number(header) : undefined;
}

function refused(status: number, code: string, message: string): ReadRequest {
  return { is: "refused", problem: { status, code, message } };
}
