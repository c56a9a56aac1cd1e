/**
 * What a request asks of the Kubernetes API, as its RBAC sees it: verb, group, resource, namespace, name. Read from method and
 * path in the way of the API server (k8s.io/apiserver, endpoints/request), so that a rule here is about what RBAC is asked there.
 * What two readers could understand in two ways is refused. Pure.
 */

export interface ResourceRequest {
  readonly kind: "resource";
  /** get, list, watch, create, update, patch, delete, deletecollection, proxy; empty for a method that has none. */
  readonly verb: string;
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  /** Empty for what is in no namespace, and for all namespaces. */
  readonly namespace: string;
  readonly name: string;
  /** What follows the subresource, as in pods/web/proxy/metrics; decoded. */
  readonly rest: readonly string[];
}

export interface PathRequest {
  readonly kind: "path";
  /** The method in lower case. */
  readonly verb: string;
  readonly path: string;
}

export type RequestInfo = ResourceRequest | PathRequest;

export type ReadRequest =
  | { readonly ok: true; readonly info: RequestInfo }
  | { readonly ok: false; readonly message: string };

const verbOf: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  HEAD: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** What stands before a resource in place of a verb: old paths that API servers know still. */
const specialVerbs = new Set(["proxy", "watch"]);
const namespaceSubresources = new Set(["status", "finalize"]);

/** `target` is what stands in the request line: a path and perhaps a query. */
export function readRequest(method: string, target: string): ReadRequest {
  const question = target.indexOf("?");
  const written = question < 0 ? target : target.slice(0, question);
  const read = readPath(written);
  if (!read.ok) return read;
  const asked = question < 0 ? "" : target.slice(question + 1);
  // Go leaves such pairs out, others do not.
  if (/;|%(?![0-9a-f]{2})/i.test(asked))
    return refuse("The query is not valid: it has a semicolon, or a % that stands alone.");
  const { segments } = read;
  const byPath: PathRequest = { kind: "path", verb: method.toLowerCase(), path: `/${segments.join("/")}` };
  const [prefix = "", ...parts] = segments;
  if (segments.length < 3 || (prefix !== "api" && prefix !== "apis")) return { ok: true, info: byPath };
  if (prefix === "apis" && segments.length < 4) return { ok: true, info: byPath };
  const group = prefix === "apis" ? (parts.shift() ?? "") : "";
  const version = parts.shift() ?? "";
  let verb = verbOf[method] ?? "";
  if (specialVerbs.has(parts[0] ?? "")) {
    if (parts.length < 2) return refuse("The path names no resource.");
    verb = parts.shift() ?? "";
  }
  let namespace = "";
  if (parts[0] === "namespaces" && parts[1] !== undefined) {
    namespace = parts[1];
    if (parts[2] !== undefined && !namespaceSubresources.has(parts[2])) parts.splice(0, 2);
  }
  const [resource = "", inPath = "", third = "", ...rest] = parts;
  const query = new URLSearchParams(asked);
  if (inPath === "" && verb === "get") verb = isWatch(query) ? "watch" : "list";
  if (inPath === "" && verb === "delete") verb = "deletecollection";
  // A list or a watch of one object by its name counts as of that name, where a rule is about names.
  const selected = inPath === "" && (verb === "list" || verb === "watch") ? nameSelected(query) : "";
  const subresource = verb === "proxy" ? "" : third;
  const name = inPath || selected;
  return { ok: true, info: { kind: "resource", verb, group, version, resource, subresource, namespace, name, rest } };
}

/** "pods", or "pods/exec". */
export function resourceName({ resource, subresource }: ResourceRequest): string {
  return subresource === "" ? resource : `${resource}/${subresource}`;
}

type ReadPath = { readonly ok: true; readonly segments: string[] } | (ReadRequest & { readonly ok: false });

/** What comes behind a resource's `proxy` is another program's path, in which empty segments and encoded slashes have a meaning. */
function isBehindProxy(segments: readonly string[]): boolean {
  const [prefix] = segments;
  if (prefix !== "api" && prefix !== "apis") return false;
  const first = prefix === "api" ? 2 : 3;
  const at = segments[first] === "namespaces" && segments.length > first + 2 ? first + 2 : first;
  return segments[at + 2] === "proxy" && !specialVerbs.has(segments[first] ?? "");
}

function readPath(written: string): ReadPath {
  if (!written.startsWith("/")) return refuse("The request's target must be a path.");
  if (/[^\x21-\x7e]/.test(written) || written.includes("#")) return refuse("The path has characters that no path has.");
  const raw = written.slice(1).split("/");
  const segments: string[] = [];
  for (const [at, piece] of raw.entries()) {
    const isLast = at === raw.length - 1;
    let decoded: string;
    try {
      decoded = decodeURIComponent(piece);
    } catch {
      return refuse("The path is not valid: what follows a % must be two hexadecimal digits of UTF-8.");
    }
    if (/[\p{Cc}\\]/u.test(decoded)) return refuse("The path has control characters or backslashes.");
    if (isDots(decoded)) return refuse("The path has a dot segment, which leads elsewhere than it says.");
    if (isBehindProxy(segments)) {
      if (decoded.split("/").some(isDots))
        return refuse("The path has a dot segment, which leads elsewhere than it says.");
    } else if (decoded.includes("/")) return refuse("The path has an encoded slash.");
    else if (decoded.includes("%")) return refuse("The path is encoded twice.");
    else if (decoded === "" && !isLast) return refuse("The path has an empty segment.");
    if (decoded !== "" || !isLast) segments.push(decoded);
  }
  return { ok: true, segments };
}

/** Also where the next reader decodes once more. */
function isDots(segment: string): boolean {
  const again = segment.replaceAll(/%2e/gi, ".");
  return again === "." || again === "..";
}

/** As API servers read it: any value but "false" and "0" is yes, also an empty one. */
function isWatch(query: URLSearchParams): boolean {
  const value = query.get("watch");
  return value !== null && !["false", "0"].includes(value.toLowerCase());
}

function nameSelected(query: URLSearchParams): string {
  const term = (query.get("fieldSelector") ?? "").split(",").find((each) => /^metadata\.name=/.test(each));
  return term?.replace(/^metadata\.name==?/, "") ?? "";
}

function refuse(message: string): ReadRequest & { readonly ok: false } {
  return { ok: false, message };
}
