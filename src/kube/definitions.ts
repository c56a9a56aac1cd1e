/** Whether the API server knows our resources. */
import { KubeError } from "./errors.ts";
import { isJsonObject } from "./object.ts";
import type { Requests } from "./requests.ts";
import { apiVersionOf, type KindAddress } from "./resource-kind.ts";
import { forwards, peerPolicies, peers, remoteApps, workloads } from "./resources.ts";

const needed: readonly KindAddress[] = [peers, peerPolicies, remoteApps, workloads, forwards];

/** Throws an Error that names the resources that are not installed and says how to install them. */
export async function checkDefinitions(requests: Pick<Requests, "json">, signal: AbortSignal): Promise<void> {
  const served = await readServed(requests, apiVersionOf(peers), signal);
  const missing = needed.filter(({ plural }) => !served.has(plural)).map(({ kind }) => kind);
  if (missing.length === 0) return;
  throw new Error(
    `The cluster does not know the resources ${missing.join(", ")}. Install them with: kubectl apply --server-side -f charts/fairlead/crds`,
  );
}

async function readServed(
  requests: Pick<Requests, "json">,
  apiVersion: string,
  signal: AbortSignal,
): Promise<Set<string>> {
  try {
    const what = `discover ${apiVersion}`;
    const answer = await requests.json({ method: "GET", path: `/apis/${apiVersion}`, what }, signal);
    const resources = isJsonObject(answer) && Array.isArray(answer.resources) ? answer.resources : [];
    return new Set(resources.filter(isJsonObject).map(({ name }) => String(name)));
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return new Set();
    throw error;
  }
}
