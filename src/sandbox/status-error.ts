/** Errors in Kubernetes' words: what a handler throws becomes the `Status` that the client reads. */
import type { JsonObject } from "./json.ts";

export interface Cause {
  reason: string;
  message: string;
  field?: string;
}

/** Which object an error is about. `plural` is what Kubernetes calls `details.kind` in most of its errors. */
export interface About {
  group: string;
  plural: string;
  kind: string;
}

export class StatusError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: JsonObject | undefined;

  constructor(code: number, reason: string, message: string, details?: JsonObject) {
    super(message);
    this.name = "StatusError";
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  /** The body, as Kubernetes writes it. */
  toStatus(): JsonObject {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      ...(this.reason ? { reason: this.reason } : {}),
      ...(this.details ? { details: this.details } : {}),
      code: this.code,
    };
  }
}

/** `remoteapps.fairlead.dev`, or `pods` for the core group. */
function qualified(about: Pick<About, "group" | "plural">): string {
  return about.group ? `${about.plural}.${about.group}` : about.plural;
}

function detailsOf(about: About, name: string, extra?: JsonObject): JsonObject {
  return { name, ...(about.group ? { group: about.group } : {}), kind: about.plural, ...extra };
}

export function notFound(about: About, name: string): StatusError {
  return new StatusError(404, "NotFound", `${qualified(about)} "${name}" not found`, detailsOf(about, name));
}

/** The path itself is unknown: no such resource is served. */
export function noSuchPath(): StatusError {
  return new StatusError(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(about: About, name: string): StatusError {
  return new StatusError(409, "AlreadyExists", `${qualified(about)} "${name}" already exists`, detailsOf(about, name));
}

export function conflict(about: About, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${qualified(about)} "${name}": ${why}`;
  return new StatusError(409, "Conflict", message, detailsOf(about, name));
}

export const staleObject =
  "the object has been modified; please apply your changes to the latest version and try again";

export function badRequest(message: string): StatusError {
  return new StatusError(400, "BadRequest", message);
}

/** 422: each cause names the field. */
export function invalid(about: About, name: string, causes: readonly Cause[]): StatusError {
  const title = `${about.kind}${about.group ? `.${about.group}` : ""}`;
  const told = causes.map((c) => (c.field ? `${c.field}: ${c.message}` : c.message));
  const text = told.length === 1 ? told[0] : `[${told.join(", ")}]`;
  return new StatusError(422, "Invalid", `${title} "${name}" is invalid: ${text}`, {
    name,
    ...(about.group ? { group: about.group } : {}),
    kind: about.kind,
    causes: causes.map((c) => ({ ...c })),
  });
}

export function forbidden(about: About, name: string, why: string, causes?: readonly Cause[]): StatusError {
  const message = `${qualified(about)} "${name}" is forbidden: ${why}`;
  return new StatusError(403, "Forbidden", message, detailsOf(about, name, causes ? { causes: [...causes] } : {}));
}

export function unauthorized(): StatusError {
  return new StatusError(401, "Unauthorized", "Unauthorized");
}

export function methodNotAllowed(): StatusError {
  return new StatusError(
    405,
    "MethodNotAllowed",
    "the server does not allow this method on the requested resource",
    {},
  );
}

export function unsupportedMediaType(got: string, accepted: readonly string[]): StatusError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(", ")}`;
  return new StatusError(415, "UnsupportedMediaType", got ? message : `${message} (the request named none)`);
}

/** 410: the past that was asked for is forgotten; list again. */
export function expired(message: string): StatusError {
  return new StatusError(410, "Expired", message);
}
