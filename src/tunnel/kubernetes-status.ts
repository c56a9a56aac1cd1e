/** Failures as the Kubernetes API says them, so that its clients show them as they show its own. Pure. */
export interface StatusAnswer {
  /** Of HTTP. */
  readonly code: number;
  /** Kubernetes' word, which programs go by. */
  readonly reason: string;
  readonly message: string;
  /** After so many seconds its clients try again by themselves; without it they do not. */
  readonly retryAfterSeconds?: number;
}

/** What goes out as an answer. */
export interface RenderedStatus {
  readonly headers: [name: string, value: string][];
  readonly body: string;
}

/**
 * An answer to a request for `target`, a path and perhaps a query. What lists all APIs is answered in plain words: of a refusal there client-go
 * shows such and nothing else, and kubectl asks for those first.
 */
export function renderStatus(answer: StatusAnswer, target: string): RenderedStatus {
  const plain = /^\/apis?\/?(\?|$)/.test(target);
  const body = plain ? `${answer.message}\n` : statusBody(answer);
  return { headers: statusHeaders(answer, body, plain ? "text/plain; charset=utf-8" : "application/json"), body };
}

function statusBody({ code, reason, message, retryAfterSeconds }: StatusAnswer): string {
  const details = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } };
  return `${JSON.stringify({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, ...details, code })}\n`;
}

function statusHeaders(answer: StatusAnswer, body: string, type: string): [name: string, value: string][] {
  const retry: [string, string][] =
    answer.retryAfterSeconds === undefined ? [] : [["Retry-After", String(answer.retryAfterSeconds)]];
  return [
    ["Content-Type", type],
    ["Content-Length", String(Buffer.byteLength(body))],
    ["Cache-Control", "no-store"],
    ["X-Content-Type-Options", "nosniff"],
    ...retry,
  ];
}

export const forbidden = (message: string): StatusAnswer => ({ code: 403, reason: "Forbidden", message });
export const badRequest = (message: string): StatusAnswer => ({ code: 400, reason: "BadRequest", message });
export const unavailable = (message: string): StatusAnswer => ({ code: 503, reason: "ServiceUnavailable", message });
