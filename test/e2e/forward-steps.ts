import type { Cluster } from "./clusters.ts";
import { until } from "./until.ts";

/** A Forward in a namespace where none may have a Service says which value of the chart lets it. */
export async function forwardNamesItsRight(cluster: Cluster, namespace: string, peer: string): Promise<void> {
  const spec = { peer, target: "app/echo", ports: [{ name: "http", port: 80, targetPort: 8080 }] };
  const forward = { apiVersion: "fairlead.dev/v1alpha1", kind: "Forward", metadata: { name: "echo", namespace }, spec };
  await cluster.kubectl(["apply", "-f", "-"], JSON.stringify(forward));
  await until("its status names the value", async () => {
    const { status } = await cluster.get<{ status?: { message?: string } }>(["forward", "echo", "-n", namespace]);
    return status?.message?.includes(`forwards.namespaces: [${namespace}]`) ?? false;
  });
  await cluster.kubectl(["delete", "forward", "echo", "-n", namespace]);
}
