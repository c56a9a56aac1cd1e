/** Connections that fail before or below the agent's API, in words that name the address. Pure. */
import { ConnectError } from "@connectrpc/connect";
import { errorText } from "../base/error-text.ts";
import { CliError, exitCode } from "./errors.ts";

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "its name cannot be looked up now",
  ETIMEDOUT: "it does not answer",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no way to it",
  ECONNRESET: "the connection broke",
  EPIPE: "the connection broke",
  EPROTO: "it does not speak TLS there; try http:// in place of https://",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by nobody known",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is signed by nobody known",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
};

/** A better error when no agent answered at `address`; any other as it is. */
export function explainUnreachable(error: unknown, address: string): unknown {
  if (!(error instanceof ConnectError)) return error;
  for (let at: unknown = error.cause; at instanceof Error; at = at.cause) {
    if (at instanceof CliError) return at;
    const why = words["code" in at ? String(at.code) : ""];
    if (why === undefined) continue;
    return new CliError(`the agent at ${address} cannot be reached: ${why}`, {
      code: exitCode.unavailable,
      hint: "is it running? --server URL names another address, --kubeconfig FILE finds it in a cluster",
      cause: error,
    });
  }
  const status = /^HTTP (\d{3})/.exec(error.rawMessage)?.[1];
  if (status === undefined) return error;
  return new CliError(`what answers at ${address} is no Fairlead console (HTTP ${status})`, {
    code: exitCode.unavailable,
    hint: "--server takes the address of the console, as in http://localhost:8000",
    cause: error,
  });
}

/** Why a session with an agent was not opened. */
export function explainNoSession(error: unknown, address: string, signal: AbortSignal): unknown {
  if (error instanceof CliError || signal.aborted) return error;
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof CliError) return at;
    const why = words["code" in at ? String(at.code) : ""];
    if (why !== undefined) {
      const options = { code: exitCode.unavailable, hint: "--server URL names another address", cause: error };
      return new CliError(`the agent at ${address} cannot be reached: ${why}`, options);
    }
  }
  const text = errorText(error);
  const unknownToken = /\bHTTP 401\b/.test(text);
  return new CliError(`the agent at ${address} opened no session: ${text}`, {
    code: unknownToken ? exitCode.denied : exitCode.unavailable,
    ...(!unknownToken && {
      hint: "does what stands in front of the console let WebSockets pass, and is the agent of this version?",
    }),
    cause: error,
  });
}
