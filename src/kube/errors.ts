/** The one error of this room. What Node, TLS and the API server say becomes a `KubeError` here and nowhere else. */
import { isJsonObject, type JsonObject } from "./object.ts";

/**
 * The API server refused, failed, or could not be reached. `status` is HTTP's, 0 when there was no answer. `reason` is
 * Kubernetes' word (NotFound, Conflict, AlreadyExists, Forbidden, Invalid, Expired, TooManyRequests …), or one of ours when
 * there was no answer: Unreachable, Untrusted, TimedOut, Cut, TooLarge, Garbled.
 */
export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly status: number;
  readonly reason: string;
  /** How long the server asked to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** For Invalid: the path of each field that is wrong, and why. */
  readonly fields: readonly { field: string; message: string }[];

  constructor(
    o: {
      status: number;
      reason: string;
      message: string;
      retryAfterMs?: number | undefined;
      fields?: readonly { field: string; message: string }[];
    },
    options?: ErrorOptions,
  ) {
    super(o.message, options);
    this.status = o.status;
    this.reason = o.reason;
    this.retryAfterMs = o.retryAfterMs;
    this.fields = o.fields ?? [];
  }

  /** True when the same request may succeed later without anybody changing anything. */
  retryable(): boolean {
    if (this.status === 0) return this.reason !== "Untrusted";
    return this.status === 429 || this.status >= 500;
  }
}

/** The object exists in another version than the one that was meant; read it again and decide anew. */
export function isConflict(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 409 && error.reason !== "AlreadyExists";
}

export function isAlreadyExists(error: unknown): error is KubeError {
  return error instanceof KubeError && error.reason === "AlreadyExists";
}

/** The agent may not do that, or something in the way does not let it. */
export function isForbidden(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 403;
}

export function isNotFound(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 404;
}

/** The version to go on from is too old or too new for the API server: list again. */
export function isExpired(error: unknown): error is KubeError {
  if (!(error instanceof KubeError)) return false;
  return error.status === 410 || error.reason === "Expired" || error.reason === "ResourceVersionTooLarge";
}

/** What was asked for, in words for messages: `get RemoteApp default/web`. */
export interface Attempt {
  what: string;
  /** The API server's address. */
  server: string;
}

/** An answer that is not 2xx. `body` is what could be read of it, often a Kubernetes Status in JSON. */
export function fromAnswer(attempt: Attempt, status: number, body: string, retryAfter?: string): KubeError {
  const parsed = parseStatus(body);
  const retryAfterSeconds = Number(retryAfter ?? parsed?.retryAfterSeconds);
  return new KubeError({
    status,
    reason: parsed?.reason ?? reasonFor(status),
    message: explain(attempt, status, parsed?.message ?? body.trim().slice(0, 300)),
    retryAfterMs: retryAfterSeconds > 0 ? retryAfterSeconds * 1000 : undefined,
    fields: parsed?.fields ?? [],
  });
}

/** The `object` of a watch event of type ERROR. */
export function fromStatus(attempt: Attempt, json: JsonObject): KubeError {
  const code = typeof json.code === "number" ? json.code : 500;
  return fromAnswer(attempt, code, JSON.stringify(json));
}

/** No answer came: the connection could not be made, or broke. */
export function fromTransport(attempt: Attempt, cause: unknown): KubeError {
  const code = isCoded(cause) ? cause.code : "";
  const text = cause instanceof Error ? cause.message || code : String(cause);
  if (isTrustProblem(code)) {
    return new KubeError(
      {
        status: 0,
        reason: "Untrusted",
        message: `Could not ${attempt.what}: the certificate of ${attempt.server} is not trusted (${text}). Check certificate-authority-data in the kubeconfig.`,
      },
      { cause },
    );
  }
  return new KubeError(
    {
      status: 0,
      reason: "Unreachable",
      message: `Could not ${attempt.what}: ${attempt.server} does not answer (${text}). Is the API server up, and reachable from here?`,
    },
    { cause },
  );
}

export function timedOut(attempt: Attempt, ms: number): KubeError {
  return new KubeError({
    status: 0,
    reason: "TimedOut",
    message: `Could not ${attempt.what}: no complete answer from ${attempt.server} within ${Math.round(ms / 1000)} s.`,
  });
}

interface ParsedStatus {
  reason: string | undefined;
  message: string | undefined;
  retryAfterSeconds: number | undefined;
  fields: { field: string; message: string }[];
}

function parseStatus(body: string): ParsedStatus | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isJsonObject(json)) return undefined;
  const details = isJsonObject(json.details) ? json.details : {};
  const causes = Array.isArray(details.causes) ? details.causes.filter(isJsonObject) : [];
  const tooLarge = causes.some((cause) => cause.reason === "ResourceVersionTooLarge");
  return {
    reason: tooLarge ? "ResourceVersionTooLarge" : textOf(json.reason),
    message: textOf(json.message),
    retryAfterSeconds: typeof details.retryAfterSeconds === "number" ? details.retryAfterSeconds : undefined,
    fields: causes.map((cause) => ({ field: textOf(cause.field) ?? "", message: textOf(cause.message) ?? "" })),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function explain(attempt: Attempt, status: number, said: string): string {
  const advice =
    status === 401
      ? " The credentials are missing, wrong or out of date."
      : status === 403
        ? " Somebody who may edit Roles here can grant that right."
        : "";
  return `Could not ${attempt.what}: ${said || `HTTP status ${status}`}${/[.!?]$/.test(said) ? "" : "."}${advice}`;
}

/** For answers that do not come from Kubernetes itself but from something in front of it. */
function reasonFor(status: number): string {
  const known: Record<number, string> = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
  };
  return known[status] ?? "Unknown";
}

function isCoded(value: unknown): value is { code: string } {
  return typeof value === "object" && value !== null && "code" in value && typeof value.code === "string";
}

function isTrustProblem(code: string): boolean {
  return (
    code.startsWith("ERR_TLS_CERT") ||
    code.startsWith("CERT_") ||
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"].includes(code) ||
    code.startsWith("UNABLE_TO_GET_ISSUER_CERT")
  );
}
