/** Everything that a cluster's API server holds, as text, so that it can be compared byte for byte. */
import { isJsonObject, type JsonObject } from "../../../src/kube/object.ts";
import type { Requests } from "../../../src/kube/requests.ts";

/** By kind, namespace and name, as in "deployments fairlead-peer-alice/web-0a1b2c3d4e". */
export type ClusterState = ReadonlyMap<string, string>;

/** Reads all that can be listed, of every kind that the API server has. */
export async function readCluster(requests: Requests, signal: AbortSignal): Promise<ClusterState> {
  const state = new Map<string, string>();
  for (const path of await collections(requests, signal)) {
    const plural = path.slice(path.lastIndexOf("/") + 1);
    for (const item of listOf(await get(requests, path, signal), "items")) {
      const metadata = isJsonObject(item.metadata) ? item.metadata : {};
      const { namespace = "", name = "" } = metadata;
      state.set(`${plural} ${namespace}/${name}`, JSON.stringify(lasting(plural, item, metadata)));
    }
  }
  return state;
}

/** The keys of what was made, changed or deleted between the two. */
export function changes(before: ClusterState, after: ClusterState): string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => before.get(key) !== after.get(key)).sort();
}

/** The paths of all collections, over all namespaces. */
async function collections(requests: Requests, signal: AbortSignal): Promise<string[]> {
  const roots = ["/api/v1"];
  for (const group of listOf(await get(requests, "/apis", signal), "groups")) {
    for (const version of listOf(group, "versions")) roots.push(`/apis/${version.groupVersion}`);
  }
  const found: string[] = [];
  for (const root of roots) {
    for (const { name, verbs } of listOf(await get(requests, root, signal), "resources")) {
      if (typeof name === "string" && !name.includes("/") && Array.isArray(verbs) && verbs.includes("list")) {
        found.push(`${root}/${name}`);
      }
    }
  }
  return found;
}

async function get(requests: Requests, path: string, signal: AbortSignal): Promise<JsonObject> {
  const answer = await requests.json({ method: "GET", path }, signal);
  return isJsonObject(answer) ? answer : {};
}

function listOf(object: JsonObject, field: string): JsonObject[] {
  const list = object[field];
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}

/** The agent writes how its peers and policies are at any time, whoever does what: of these only what people wrote counts. */
function lasting(plural: string, item: JsonObject, metadata: JsonObject): JsonObject {
  if (plural !== "peers" && plural !== "peerpolicies") return item;
  const { status: _, ...rest } = item;
  const { resourceVersion: _version, managedFields: _fields, ...kept } = metadata;
  return { ...rest, metadata: kept };
}
