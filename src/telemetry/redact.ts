/**
 * What a log line may show of the fields it was given. Pure. Values under names that hold secrets are masked at any
 * depth, errors become plain objects without their foreign properties (an API error carries whole response bodies),
 * and nothing grows without bound.
 */
import { secretMask } from "../base/secret-text.ts";

const maxDepth = 6;
const maxItems = 100;
const maxCauses = 5;
const maxText = 8_192;

/** Compared without case, dashes and underscores. */
const secretNames = new Set(
  [
    ["authorization", "proxyauthorization", "cookie", "setcookie", "cookies"],
    ["password", "passwd", "passphrase", "secret", "clientsecret", "secretkey"],
    ["token", "accesstoken", "refreshtoken", "idtoken", "bearertoken", "bearer", "admintoken", "apikey"],
    ["invite", "invitetoken", "privatekey", "key", "keypem", "keydata", "clientkeydata", "kubeconfig"],
  ].flat(),
);

/** Returns a copy that is safe to print; the fields themselves are left as they are. */
export function redactFields(fields: object): Record<string, unknown> {
  if (fields instanceof Error) return { err: describeError(fields, 0) };
  return redactEntries(fields, 0, new Set([fields]));
}

function redactEntries(value: object, depth: number, above: Set<object>): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  let count = 0;
  for (const [name, field] of Object.entries(value)) {
    if (count === maxItems) {
      shown["…"] = "more fields left out";
      break;
    }
    count += 1;
    shown[name] = isSecretName(name) && isSecretValue(field) ? secretMask : redactValue(field, depth + 1, above);
  }
  return shown;
}

function redactValue(value: unknown, depth: number, above: Set<object>): unknown {
  if (typeof value === "string") return clip(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return typeof value === "function" ? undefined : value;
  if (value instanceof Error) return describeError(value, 0);
  if (value instanceof Date) return value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof URL) return redactUrl(value);
  if ("toJSON" in value && typeof value.toJSON === "function") return value.toJSON();
  if (above.has(value)) return "[circular]";
  if (depth >= maxDepth) return "[deep]";
  above.add(value);
  const shown = Array.isArray(value)
    ? value.slice(0, maxItems).map((item) => redactValue(item, depth + 1, above))
    : redactEntries(value, depth, above);
  above.delete(value);
  return shown;
}

/** An error's own message and chain of causes; other properties are left out, but for a code and a status. */
function describeError(error: Error, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = { type: error.name, message: clip(error.message) };
  if ("code" in error && ["string", "number"].includes(typeof error.code)) shown.code = error.code;
  if ("status" in error && typeof error.status === "number") shown.status = error.status;
  if (error.stack && depth === 0) shown.stack = clip(error.stack);
  if (error.cause instanceof Error && depth < maxCauses) shown.cause = describeError(error.cause, depth + 1);
  return shown;
}

function clip(text: string): string {
  return text.length <= maxText ? text : `${text.slice(0, maxText)}… (${text.length} characters)`;
}

function redactUrl(url: URL): string {
  const shown = new URL(url);
  if (shown.password) shown.password = "";
  if (shown.username) shown.username = "";
  return shown.href;
}

function isSecretName(name: string): boolean {
  return secretNames.has(name.toLowerCase().replaceAll(/[-_]/g, ""));
}

/** `token: undefined` and `secret: false` say something and hide nothing. */
function isSecretValue(value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== "boolean";
}
