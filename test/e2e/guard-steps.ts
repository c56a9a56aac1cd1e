/** What somebody may do to the objects that guard a peer's namespace, each until the agent has undone it. */

import { systemClock as clock } from "../../src/base/clock.ts";
import { connectKube } from "../../src/kube/connect.ts";
import { resourceQuotas } from "../../src/kube/resources.ts";
import type { Cluster } from "./clusters.ts";
import { until } from "./until.ts";

const never = new AbortController().signal;

/**
 * Resolves when all is as it was; every right that the agent has for it was used then. `policy` is about the peer, and bounds
 * no pod. `seconds` is for each.
 */
export async function meddleWithGuards(
  cluster: Cluster,
  namespace: string,
  policy: { readonly namespace: string; readonly name: string },
  seconds = 60,
): Promise<void> {
  const spec = async (kind: string): Promise<string> => {
    const found = await cluster.get<{ items: { metadata: { name: string }; spec: object }[] }>([kind, "-n", namespace]);
    return JSON.stringify(found.items.find(({ metadata }) => metadata.name === "fairlead")?.spec);
  };
  const patch = (kind: string, to: object): Promise<string> =>
    cluster.kubectl(["patch", kind, "fairlead", "-n", namespace, "--type=merge", "-p", JSON.stringify({ spec: to })]);
  const boundPods = (pod: object | null): Promise<string> => {
    const change = JSON.stringify({ spec: { workloads: { pod } } });
    return cluster.kubectl(["patch", "peerpolicy", policy.name, "-n", policy.namespace, "--type=merge", "-p", change]);
  };

  for (const [kind, to] of [
    ["networkpolicy", { ingress: [{}] }],
    ["resourcequota", { hard: { "count/secrets": "7" } }],
  ] as const) {
    const before = await spec(kind);
    await patch(kind, to);
    await until(`the ${kind} is as it was`, async () => (await spec(kind)) === before, { seconds });
    await cluster.kubectl(["delete", kind, "fairlead", "-n", namespace]);
    await until(`the ${kind} is back`, async () => (await spec(kind)) === before, { seconds });
  }

  await boundPods({ max: { memory: "2Gi" } });
  const bounds = await until(
    "the LimitRange comes with the policy",
    async () => {
      const found = await spec("limitrange");
      return found?.includes("2Gi") && found;
    },
    { seconds },
  );
  await patch("limitrange", { limits: [{ type: "Pod", max: { memory: "99Gi" } }] });
  await until("the LimitRange is as it was", async () => (await spec("limitrange")) === bounds, { seconds });
  await boundPods(null);
  await until("the LimitRange goes with the policy", async () => (await spec("limitrange")) === undefined, { seconds });

  const quota = await spec("resourcequota");
  await countSomePodsOnly(cluster, namespace);
  await until("the quota is as it was", async () => (await spec("resourcequota")) === quota, { seconds });
}

/** Puts a quota in the place of the agent's whose scopes cannot be edited. */
async function countSomePodsOnly(cluster: Cluster, namespace: string): Promise<void> {
  const { client, close } = await connectKube({ kubeconfig: cluster.kubeconfig, clock });
  const ref = { namespace, name: "fairlead" };
  const draft = resourceQuotas.parse({ metadata: ref, spec: { hard: { pods: "9" }, scopes: ["BestEffort"] } });
  try {
    await until("somebody's quota is there before the agent's", async () => {
      await client.delete(resourceQuotas, ref, {}, never);
      return (await client.create(resourceQuotas, draft, never)) !== undefined;
    });
  } finally {
    close();
  }
}
