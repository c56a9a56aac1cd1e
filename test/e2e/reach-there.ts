/** What runs at the host in reach.e2e.ts, of which its agent knows nothing. */

/** `nodeAddress` is where the host's API server is. */
export function thereIn(namespace: string, image: string, nodeAddress: string | undefined): string {
  const labels = { app: "echo" };
  const containers = [{ name: "echo", image }];
  const template = { metadata: { labels }, spec: { containers, terminationGracePeriodSeconds: 0 } };
  const ports = [
    { name: "http", port: 80, targetPort: 8080 },
    { name: "talk", port: 9000 },
  ];
  const service = (name: string, spec: object) => ({ kind: "Service", metadata: { name }, spec });
  const items = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "echo" },
      spec: { selector: { matchLabels: labels }, template },
    },
    service("echo", { selector: labels, ports }),
    service("closed", { selector: labels, ports }),
    service("outward", { type: "ExternalName", externalName: "echo", ports }),
    service("api", { ports: [{ port: 6443 }] }),
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "api-1", labels: { "kubernetes.io/service-name": "api" } },
      addressType: "IPv4",
      ports: [{ port: 6443, protocol: "TCP" }],
      endpoints: [{ addresses: [nodeAddress], conditions: { ready: true } }],
    },
  ];
  const placed = items.map((item) =>
    item.kind === "Namespace" ? item : { apiVersion: "v1", ...item, metadata: { ...item.metadata, namespace } },
  );
  return JSON.stringify({ apiVersion: "v1", kind: "List", items: placed });
}
