/** Why a program cannot listen at a place, in words. */
import { errorText } from "./error-text.ts";

/** Keeps Node's code, such as EADDRINUSE. */
class CannotListenError extends Error {
  override readonly name = "CannotListenError";
  readonly code: string | undefined;

  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.code = codeOf(cause);
  }
}

/** Awaits what begins to listen where `setting` says. Rejects with an error that names it when it cannot, and keeps Node's code. */
export async function listenWhere<T>(setting: string, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen();
  } catch (cause) {
    throw new CannotListenError(
      `The agent cannot listen at ${placeOf(cause)}: ${whyNoListening(cause)}. Give ${setting} another value.`,
      cause,
    );
  }
}

export function whyNoListening(error: unknown): string {
  const code = codeOf(error);
  if (code === "EADDRINUSE") return "something else listens there (EADDRINUSE)";
  if (code === "EACCES") return "you may not listen there; ports below 1024 are often kept for the system (EACCES)";
  if (code === "EADDRNOTAVAIL") return "this machine has no such address (EADDRNOTAVAIL)";
  return errorText(error);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function placeOf(error: unknown): string {
  if (!(error instanceof Error && "address" in error && "port" in error)) return "its port";
  const host = String(error.address);
  return `${host.includes(":") ? `[${host}]` : host}:${error.port}`;
}
