/** Watches: what is so, or what changed since a revision, then every change, for as long as the client listens. */
import type { ServerResponse } from "node:http";
import type { Clock, Timer } from "../../base/clock.ts";
import type { KubeObject } from "../object.ts";
import type { Registry } from "../registry/registry.ts";
import { apiVersionOf, type Resource, storeKey } from "../resource.ts";
import { expired } from "../status-error.ts";
import type { Change } from "../store.ts";
import { type Filter, filterOf } from "./filter.ts";
import type { Reply } from "./reply.ts";
import { type ApiRequest, flag, type Target, wantsTable } from "./request.ts";
import { includeOf, table } from "./table.ts";

/** A watcher that lets this much wait unread is ended; it lists again, as after any break (bytes). */
const maxUnreadBytes = 16 * 1024 * 1024;

export interface WatchDeps {
  registry: Registry;
  clock: Clock;
  /** How often a quiet watch that asked for bookmarks gets one, in milliseconds. */
  bookmarkMs: number;
}

export function handleWatch(deps: WatchDeps, request: ApiRequest, resource: Resource, target: Target): Reply {
  const { query } = request;
  const named = target.name ? { ...target, name: target.name } : target;
  const byFields = filterOf(resource, target, query);
  const matches: Filter = (object) => byFields(object) && (!named.name || object.metadata.name === named.name);
  const encode = encoder(deps, request, resource);
  return {
    stream: (response) =>
      stream(deps, request, { resource, matches, encode, query, namespace: target.namespace }, response),
  };
}

interface Watch {
  resource: Resource;
  matches: Filter;
  encode(type: string, object: object): string;
  query: URLSearchParams;
  namespace: string | undefined;
}

async function stream(deps: WatchDeps, request: ApiRequest, watch: Watch, response: ServerResponse): Promise<void> {
  const { store } = deps.registry;
  const { resource, matches, query } = watch;
  const key = storeKey(resource);
  const bookmarks = flag(query, "allowWatchBookmarks");
  const asked = query.get("resourceVersion") ?? "";
  const sendInitial = flag(query, "sendInitialEvents");
  response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-cache, private" });
  response.flushHeaders();
  const send = (type: string, object: object): void => {
    if (response.writableLength > maxUnreadBytes) response.destroy();
    else if (!response.writableEnded) response.write(`${watch.encode(type, object)}\n`);
  };
  const since = Number(asked);
  const fromNow = asked === "" || asked === "0" || sendInitial;
  const missed = fromNow ? [] : store.since(key, since);
  if (!missed) {
    send("ERROR", expired(`too old resource version: ${asked} (${store.revision})`).toStatus());
    response.end();
    return;
  }
  if (fromNow && query.get("sendInitialEvents") !== "false") {
    for (const object of store.list(key, watch.namespace)) if (matches(object)) send("ADDED", object);
  }
  if (sendInitial && bookmarks)
    send("BOOKMARK", bookmark(resource, store.revision, { "k8s.io/initial-events-end": "true" }));
  const tell = (change: Change): void => {
    // A revision of the future is waited for: nothing older may arrive.
    if (change.revision <= since) return;
    const event = seenThrough(matches, change);
    if (event) send(event.type, event.object);
  };
  for (const change of missed) tell(change);
  await new Promise<void>((resolve) => {
    let bookmarkTimer: Timer | undefined;
    let limitTimer: Timer | undefined;
    const unsubscribe = store.subscribe(key, tell);
    const end = (): void => {
      unsubscribe();
      bookmarkTimer?.cancel();
      limitTimer?.cancel();
      request.signal.removeEventListener("abort", end);
      response.end();
      resolve();
    };
    const beat = (): void => {
      send("BOOKMARK", bookmark(resource, Math.max(store.revision, since || 0)));
      bookmarkTimer = deps.clock.after(deps.bookmarkMs, beat);
    };
    if (bookmarks) bookmarkTimer = deps.clock.after(deps.bookmarkMs, beat);
    const seconds = Number(query.get("timeoutSeconds") ?? 0) || 1800 + Math.random() * 1800;
    limitTimer = deps.clock.after(seconds * 1000, end);
    request.signal.addEventListener("abort", end, { once: true });
    if (request.signal.aborted) end();
  });
}

/** How a change looks through a selector: entering it is an addition, leaving it a deletion. */
function seenThrough(
  matches: Filter,
  { type, object, previous }: Change,
): { type: string; object: KubeObject } | undefined {
  const was = previous !== undefined && matches(previous);
  const is = type !== "DELETED" && matches(object);
  if (is) return { type: was ? "MODIFIED" : "ADDED", object };
  if (!was) return undefined;
  // What left the selector is shown as it was, at the revision at which it left.
  const last =
    type === "DELETED"
      ? object
      : { ...previous, metadata: { ...previous.metadata, resourceVersion: object.metadata.resourceVersion } };
  return { type: "DELETED", object: last };
}

function bookmark(resource: Resource, revision: number, annotations?: Record<string, string>): object {
  const metadata = {
    resourceVersion: String(revision),
    creationTimestamp: null,
    ...(annotations ? { annotations } : {}),
  };
  return { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata };
}

function encoder(deps: WatchDeps, request: ApiRequest, resource: Resource): Watch["encode"] {
  const show = request.showThrough ?? ((object: unknown) => object);
  if (!wantsTable(request)) return (type, object) => JSON.stringify({ type, object: show(object) });
  const include = includeOf(request.query);
  let isFirst = true;
  return (type, object) => {
    if (!isStored(object)) return JSON.stringify({ type, object });
    const { resourceVersion } = object.metadata;
    const rows = table(resource, [object], { resourceVersion }, include, deps.clock.now(), isFirst);
    isFirst = false;
    return JSON.stringify({ type, object: rows });
  };
}

function isStored(object: object): object is KubeObject {
  return (
    "metadata" in object && typeof object.metadata === "object" && object.metadata !== null && "uid" in object.metadata
  );
}
