/** An answer that explains why there is no other: a small page for people, JSON for programs. Pure. */

export interface Problem {
  readonly status: number;
  /** For programs: one word that does not change, such as "no-such-app". */
  readonly code: string;
  /** A few words. */
  readonly title: string;
  /** What is so, in a sentence. */
  readonly detail: string;
  /** What to try. */
  readonly hint?: string;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter?: number;
  /** Whether to close the connection, because what else comes on it cannot be trusted. */
  readonly close?: boolean;
  /** The authentication scheme that a 401 asks for. */
  readonly authenticate?: string;
}

export interface RenderedProblem {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** HTML when the client accepts it by name, as browsers do; JSON otherwise. */
export function renderProblem(problem: Problem, accept: string | undefined): RenderedProblem {
  const html = /\btext\/html\b/i.test(accept ?? "");
  const body = html ? toPage(problem) : toJson(problem);
  return {
    status: problem.status,
    headers: [
      ["Content-Type", html ? "text/html; charset=utf-8" : "application/json"],
      ["Content-Length", String(Buffer.byteLength(body))],
      ["Cache-Control", "no-store"],
      ["Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"],
      ["Cross-Origin-Opener-Policy", "same-origin"],
      ["Cross-Origin-Resource-Policy", "same-origin"],
      ["X-Content-Type-Options", "nosniff"],
      ["Referrer-Policy", "no-referrer"],
      ["Vary", "Accept"],
      ...(problem.retryAfter === undefined ? [] : [["Retry-After", String(problem.retryAfter)] as const]),
      ...(problem.authenticate === undefined ? [] : [["WWW-Authenticate", problem.authenticate] as const]),
      ...(problem.close ? [["Connection", "close"] as const] : []),
    ],
    body,
  };
}

function toJson({ code, title, detail, hint }: Problem): string {
  const error = { code, title, message: detail, ...(hint !== undefined && { hint }) };
  return `${JSON.stringify({ error })}\n`;
}

function toPage({ status, title, detail, hint }: Problem): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 36rem; margin: 15vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; margin: 0 0 .5rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
small { opacity: .7; }
</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(detail)}</p>
${hint === undefined ? "" : `<p>${escapeHtml(hint)}</p>\n`}<p><small>Fairlead · ${status}</small></p>
</main>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
