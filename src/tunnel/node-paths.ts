/** What of a kubelet can be read through here: what it tells of itself and of what runs there, and nothing that it does. Pure. */

/** By its path, the queries that it may have; as they are written, since nothing in them is read here. */
const readable: ReadonlyMap<string, readonly string[]> = new Map([
  ["/healthz", []],
  ["/metrics", []],
  ["/metrics/cadvisor", []],
  ["/metrics/probes", []],
  ["/metrics/resource", []],
  ["/stats/summary", ["only_cpu_and_memory=true", "only_cpu_and_memory=false"]],
]);

export type NodePath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly status: 400 | 404; readonly message: string };

/** `url` is the target of a request, which has to be one of these to the letter: nothing is decoded, put together or left out. */
export function readNodePath(url: string): NodePath {
  const at = url.indexOf("?");
  const path = at < 0 ? url : url.slice(0, at);
  const query = at < 0 ? undefined : url.slice(at + 1);
  const queries = readable.get(path);
  if (!queries) {
    return {
      ok: false,
      status: 404,
      message: `There are ${[...readable.keys()].join(", ")}; of a kubelet nothing else is reached.`,
    };
  }
  if (query === undefined) return { ok: true, path };
  if (queries.includes(query)) return { ok: true, path: `${path}?${query}` };
  const known = queries.length > 0 ? `, but for ${queries.join(" and ")}` : "";
  return { ok: false, status: 400, message: `Nothing can be asked of ${path} by a query${known}.` };
}
