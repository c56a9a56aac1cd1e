/** Routes into a cluster, for tests with agents: an Ingress, and kinds of the Gateway API where the cluster has none of its own. */
import type { Cluster } from "./clusters.ts";
import { until } from "./until.ts";

const group = "gateway.networking.k8s.io";
const mark = "fairlead.dev/made-for-a-test";
const kinds = [
  ["HTTPRoute", "v1"],
  ["TLSRoute", "v1alpha2"],
  ["TCPRoute", "v1alpha2"],
] as const;

/** As short as they can be; a cluster that has them keeps its own. Resolves when they are served. */
export async function defineRouteKinds(cluster: Cluster): Promise<void> {
  await removeRouteKinds(cluster);
  const present = await cluster.kubectl(["get", "crd", "-o", "name"]);
  for (const [kind, version] of kinds) {
    const singular = kind.toLowerCase();
    const name = `${singular}s.${group}`;
    if (present.includes(`/${name}`)) continue;
    const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
    const definition = {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      // Names of this group are for who has had them approved, or says that they are not.
      metadata: {
        name,
        labels: { [mark]: "" },
        annotations: { "api-approved.kubernetes.io": "unapproved, for a test" },
      },
      spec: {
        group,
        names: { kind, singular, plural: `${singular}s`, listKind: `${kind}List` },
        scope: "Namespaced",
        versions: [{ name: version, served: true, storage: true, schema }],
      },
    };
    await cluster.kubectl(["create", "-f", "-"], JSON.stringify(definition));
  }
  const served = async (): Promise<boolean> => {
    const names = await cluster.kubectl(["api-resources", `--api-group=${group}`, "-o", "name"]);
    return kinds.every(([kind]) => names.includes(`${kind.toLowerCase()}s.${group}`));
  };
  await until("the kinds of the Gateway API are served", served);
}

export async function removeRouteKinds(cluster: Cluster): Promise<void> {
  await cluster.kubectl(["delete", "crd", "-l", mark, "--ignore-not-found", "--timeout=50s"]);
}

/** An Ingress and an HTTPRoute in this namespace that lead to the port `http` of its Service `echo` by these hosts. */
export async function makeRoutes(
  cluster: Cluster,
  namespace: string,
  hosts: { readonly ingress: string; readonly gateway?: string },
): Promise<void> {
  const metadata = { name: "echo", namespace };
  const backend = { service: { name: "echo", port: { name: "http" } } };
  const paths = [{ path: "/", pathType: "Prefix", backend }];
  const items: object[] = [
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "Ingress",
      metadata,
      spec: { rules: [{ host: hosts.ingress, http: { paths } }] },
    },
  ];
  if (hosts.gateway !== undefined) {
    items.push({
      apiVersion: `${group}/v1`,
      kind: "HTTPRoute",
      metadata,
      spec: { hostnames: [hosts.gateway], rules: [{ backendRefs: [{ name: "echo", port: 80 }] }] },
    });
  }
  await cluster.kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
}
