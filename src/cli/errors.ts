/** How a command fails: one error type, one translation, and the exit codes that scripts rely on. */
import { Code, ConnectError } from "@connectrpc/connect";
import { errorText } from "../base/error-text.ts";
import { explainError } from "../client/explain.ts";
import { explainViolations } from "./violations.ts";

/** The exit codes of `fairlead`; documented in docs/cli.md. */
export const exitCode = {
  ok: 0,
  /** The operation was understood and failed. */
  failed: 1,
  /** The command line or an input file is wrong; nothing was sent. */
  usage: 2,
  /** What was named does not exist. */
  notFound: 3,
  /** Not signed in, or not allowed. */
  denied: 4,
  /** The agent or the peer could not be reached. */
  unavailable: 5,
  /** A wait ended before what was waited for. */
  timeout: 6,
  /** It waits for a person at the peer. */
  held: 7,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** A failure that is ready to be shown: what happened, and what to try. */
export class CliError extends Error {
  readonly code: ExitCode;
  /** What to do about it, as a sentence or a command line. */
  readonly hint: string | undefined;

  constructor(message: string, options: { code?: ExitCode; hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CliError";
    this.code = options.code ?? exitCode.failed;
    this.hint = options.hint;
  }
}

/** A program elsewhere ended with this code, which is to be this one's; `message` is said besides, unless it is empty. */
export class ProgramEnd extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = "ProgramEnd";
    this.code = code;
  }
}

/** Any failure of a command as a `CliError`. */
export function toCliError(error: unknown, interrupted: boolean): CliError {
  if (error instanceof CliError) return error;
  if (interrupted) return new CliError("interrupted", { code: exitCode.interrupted, cause: error });
  // What a connection's maker threw comes back wrapped by those who asked for the connection.
  for (let at: unknown = error; at instanceof Error; at = at.cause) if (at instanceof CliError) return at;
  if (error instanceof ConnectError) return fromConnect(error);
  return new CliError(errorText(error), { cause: error });
}

const byCode: Readonly<Partial<Record<Code, { code: ExitCode; hint?: string }>>> = {
  [Code.InvalidArgument]: { code: exitCode.usage },
  [Code.NotFound]: { code: exitCode.notFound },
  [Code.Unauthenticated]: { code: exitCode.denied },
  [Code.PermissionDenied]: { code: exitCode.denied },
  [Code.Unavailable]: { code: exitCode.unavailable, hint: "fairlead peer list" },
  [Code.DeadlineExceeded]: { code: exitCode.timeout },
  [Code.Unimplemented]: {
    code: exitCode.failed,
    hint: "the agent is of another version than this program; compare with `fairlead version`",
  },
};

function fromConnect(error: ConnectError): CliError {
  const known = byCode[error.code];
  const explained = explainError(error);
  const { retryAfter } = explained;
  const again = retryAfter === undefined ? undefined : `try again in ${Math.max(1, Math.ceil(retryAfter))} s`;
  return new CliError(explainViolations(explained) ?? error.rawMessage, {
    code: known?.code ?? exitCode.failed,
    hint: [again, known?.hint].filter((one) => one !== undefined).join("; ") || undefined,
    cause: error,
  });
}
