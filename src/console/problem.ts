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

function toPage({ status, code, title, detail, hint }: Problem): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main class="${status < 500 ? "asked" : "failed"}">
<p class="code">${status} · ${escapeHtml(code)}</p>
<h1>${escapeHtml(title)}</h1>
<p>${prose(detail)}</p>
${hint === undefined ? "" : `<p class="hint">${prose(hint)}</p>\n`}</main>
<footer>Fairlead</footer>
</body>
</html>
`;
}

/** Light and dark of equal care; every text has a contrast of 4.5 at least. The bar is blue for what was asked wrongly, amber for what failed here. */
const style = `
:root { color-scheme: light dark; --ground: #f4f5f7; --sheet: #fff; --ink: #1b1f26; --soft: #59606d; --line: #dfe3e8; --asked: #2f6fdb; --failed: #b3730a; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #121418; --sheet: #1a1d23; --ink: #e6e8ec; --soft: #a0a8b5; --line: #2d333d; --asked: #6ea3ff; --failed: #e0a33e; }
}
* { box-sizing: border-box; margin: 0; }
body { background: var(--ground); color: var(--ink); font: 15px/1.6 system-ui, sans-serif; padding: clamp(16px, 14vh, 140px) 16px 16px; }
main { max-width: 600px; margin: 0 auto; padding: 24px 28px 28px; background: var(--sheet); border: 1px solid var(--line); border-top: 3px solid; border-radius: 8px; overflow-wrap: anywhere; }
main.asked { border-top-color: var(--asked); }
main.failed { border-top-color: var(--failed); }
h1 { font-size: 21px; line-height: 1.3; letter-spacing: -.01em; margin: 4px 0 12px; }
.code, footer { color: var(--soft); font-size: 13px; }
.code, code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { font-size: .9em; padding: 2px 5px; background: var(--ground); border-radius: 4px; box-decoration-break: clone; user-select: all; }
.hint { margin-top: 16px; padding-top: 16px; border-top: 1px solid var(--line); }
footer { max-width: 600px; margin: 12px auto 0; padding: 0 28px; }
`;

/** A text for people, in which what stands between backquotes is to be typed. */
function prose(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
