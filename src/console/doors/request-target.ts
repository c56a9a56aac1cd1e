/** What a request asks for, judged before anything acts on it. Pure. */

export type RequestTarget =
  | {
      readonly ok: true;
      /** As the client wrote it, from the first slash to the query. */
      readonly path: string;
      /** With its question mark; empty without one. */
      readonly query: string;
      /** Decoded once, with dot segments and empty segments resolved: what a careless reader might take it for. */
      readonly normal: string;
    }
  | { readonly ok: false; readonly detail: string };

/**
 * Takes origin-form only ("/path?query"). Refuses what two readers could understand in two ways: encoded NULs, broken
 * encodings, backslashes.
 */
export function readRequestTarget(url: string): RequestTarget {
  if (!url.startsWith("/")) return refuse("The request's target must be a path. Proxy requests are not taken.");
  const question = url.indexOf("?");
  const path = question < 0 ? url : url.slice(0, question);
  const query = question < 0 ? "" : url.slice(question);
  if (path.includes("#") || query.includes("#")) return refuse("The request's target must not have a fragment.");
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return refuse("The path is not valid: what follows a % must be two hexadecimal digits of UTF-8.");
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\u0000-\u001f\u007f\\]/.test(decoded)) return refuse("The path has control characters or backslashes.");
  return { ok: true, path, query, normal: normalise(decoded) };
}

/** Whether some reading of the path leaves the folder that it begins in: `/a/../../b`, `/a/..%2f..%2fb`. */
export function climbsOut(path: string): boolean {
  let depth = 0;
  for (const segment of decodeURIComponent(path).split("/")) {
    if (segment === "..") depth -= 1;
    else if (segment !== "" && segment !== ".") depth += 1;
    if (depth < 0) return true;
  }
  return false;
}

function normalise(decoded: string): string {
  const kept: string[] = [];
  for (const segment of decoded.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  return `/${kept.join("/")}`;
}

function refuse(detail: string): RequestTarget {
  return { ok: false, detail };
}

/**
 * Whether a door leaves this path to the console's own pages: `root` itself, and so many names below it, written plainly. What is
 * written in any other way, or goes deeper, stays the door's.
 */
export function isOwnPage(path: string, root: string, names: number): boolean {
  if (path !== root && !path.startsWith(`${root}/`)) return false;
  const below = path.slice(root.length).split("/").slice(1);
  return below.length <= names && below.every((name) => /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name));
}
