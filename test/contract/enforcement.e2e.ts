/** What is made of policies, before an API server: it takes all of it, and keeps it exactly as it was made. Nothing is stored. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { peerPolicies } from "../../src/kube/resources.ts";
import { effectivePolicy } from "../../src/policy/effective.ts";
import { enforcementOf } from "../../src/policy/enforcement.ts";
import { type Api, connectApi } from "./api.ts";

const kubeconfig = process.env.KUBECONFIG_A;
if (!kubeconfig) throw new Error("KUBECONFIG_A must name the kubeconfig of a cluster to test against");

const cpu = fc.constantFrom("100m", "1500m", "2", "1000", "0.5");
const memory = fc.constantFrom("128Mi", "500M", "1Gi", "1536Mi", "1000");
const amounts = fc.record({ cpu, memory, "ephemeral-storage": memory }, { requiredKeys: [] });
const cidr = fc.constantFrom(
  "0.0.0.0/0",
  "0.0.0.0/1",
  "10.0.0.0/8",
  "10.96.0.0/12",
  "169.254.0.0/16",
  "100.64.0.0/10",
  "172.16.0.0/12",
  "203.0.113.0/24",
  "8.8.8.8/32",
  "::/0",
  "fc00::/7",
  "fd00::/8",
  "64:ff9b::/96",
  "2000::/3",
);
const port = fc.constantFrom({ port: 443 }, { port: 53, protocol: "UDP" }, { port: 8000, endPort: 8100 });
const workloads = fc.record(
  {
    quota: fc.record(
      {
        pods: fc.nat(2_000),
        cpu,
        "limits.memory": memory,
        "requests.storage": memory,
        "requests.nvidia.com/gpu": fc.nat(9),
      },
      { requiredKeys: [] },
    ),
    pod: fc.record({ max: amounts, defaultLimits: amounts, defaultRequests: amounts }, { requiredKeys: [] }),
    storage: fc.record({ classes: fc.constant(["standard"]), maxSize: memory }, { requiredKeys: [] }),
    network: fc.record({
      egress: fc.array(fc.record({ cidr, ports: fc.array(port, { maxLength: 3 }) }), { maxLength: 5 }),
    }),
  },
  { requiredKeys: [] },
);

let api: Api;

before(async () => {
  api = connectApi(await readFile(kubeconfig, "utf8"));
});
after(() => api.close());

async function attempt(path: string, draft: { metadata: object; spec?: object } | undefined): Promise<void> {
  if (!draft) return;
  const { status, body } = await api.ask("POST", path, { body: draft, query: { dryRun: "All" } });
  assert.equal(status, 201, `${body.message}\n${JSON.stringify(draft.spec)}`);
  assert.deepEqual(body.spec, draft.spec);
}

describe("what is made of a policy", () => {
  it("is taken by the API server and kept as it is", async () => {
    const place = {
      namespace: "default",
      agent: { namespace: "fairlead", podLabels: { "app.kubernetes.io/name": "fairlead" } },
      apiServer: ["10.96.0.1", "203.0.113.7", "fd12::1"],
      dns: ["10.96.0.10", "fd12::a"],
    };
    for (const said of fc.sample(workloads, { numRuns: 60, seed: 20_260_101 })) {
      const policy = peerPolicies.parse({
        metadata: { name: "one" },
        spec: { workloads: JSON.parse(JSON.stringify(said)) },
      });
      const effective = effectivePolicy([policy], { name: "tokyo", labels: {} });
      assert.deepEqual(effective.problems, []);
      const { quota, limits, network } = enforcementOf(effective, place);
      await attempt("/api/v1/namespaces/default/resourcequotas", quota);
      await attempt("/api/v1/namespaces/default/limitranges", limits);
      await attempt("/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", network);
    }
  });
});
