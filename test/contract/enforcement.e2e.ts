/**
 * What is made of policies, before an API server: it takes all of it, keeps it exactly as it was made, and fills in what a
 * container does not say as admission has counted on.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import fc from "fast-check";
import type { JsonObject } from "../../src/kube/object.ts";
import { peerPolicies } from "../../src/kube/resources.ts";
import { demandOf } from "../../src/policy/demand.ts";
import { effectivePolicy } from "../../src/policy/effective.ts";
import { enforcementOf } from "../../src/policy/enforcement.ts";
import { partAt } from "../../src/policy/fragment.ts";
import { securedContainer, securedPod } from "../../src/policy/pod-security.ts";
import { parseQuantity } from "../../src/policy/quantity.ts";
import { appOf, ask, policyOf } from "../policy/given.ts";
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

  it("fills in what a container does not say exactly as admission counts it", async () => {
    const namespace = `contract-${randomBytes(4).toString("hex")}`;
    const path = `/api/v1/namespaces/${namespace}`;
    await api.ask("POST", "/api/v1/namespaces", { body: { metadata: { name: namespace } } });
    try {
      const bounds = fc.record(
        { max: amounts, defaultLimits: amounts, defaultRequests: amounts },
        { requiredKeys: [] },
      );
      // Mostly little enough to be admitted: what is refused shows less.
      const little = fc.record(
        { cpu: fc.constantFrom("1m", "50m", "0.00001"), memory: fc.constantFrom("1Ki", "1", "64Mi") },
        { requiredKeys: [] },
      );
      const some = fc.record(
        { cpu: fc.constantFrom("50m", "100m", "3"), memory: fc.constantFrom("64Mi", "100M") },
        { requiredKeys: [] },
      );
      const asked = fc.record({ limits: some, requests: little });
      for (const [pod, resources] of fc.sample(fc.tuple(bounds, asked), { numRuns: 60, seed: 20_260_101 })) {
        const effective = policyOf({ workloads: { pod: JSON.parse(JSON.stringify(pod)) } });
        const app = appOf({ resources: JSON.parse(JSON.stringify(resources)) });
        const { limits } = enforcementOf(effective, { namespace, agent: undefined, apiServer: [] });
        await api.ask("DELETE", `${path}/limitranges/fairlead`);
        if (limits) await api.ask("POST", `${path}/limitranges`, { body: limits });
        const { decision } = ask(app, { policy: effective });
        const demand = demandOf(app, effective);
        const body = { metadata: { name: "one" }, spec: { containers: [{ name: "app", image: "web:1", resources }] } };
        const shown = `${JSON.stringify(limits?.spec)} ${JSON.stringify(resources)}`;
        // What counts reaches the admission of pods some milliseconds later, and a new namespace gets its service account so.
        await until(shown, async () => {
          const answer = await api.ask("POST", `${path}/pods`, { body, query: { dryRun: "All" } });
          if (decision === "deny") return assert.ok([403, 422].includes(answer.status), `${answer.status}`);
          assert.equal(answer.status, 201, answer.body.message);
          const [container] = answer.body.spec.containers;
          for (const part of ["requests", "limits"] as const) {
            assert.deepEqual(valuesOf(container.resources[part]), new Map([...demand.pod[part]].sort()));
          }
        });
      }
    } finally {
      await api.ask("DELETE", `/api/v1/namespaces/${namespace}`);
    }
  });

  it("counts a pod of several containers exactly as admission does, and wants the same of each of them", async () => {
    const namespace = `contract-${randomBytes(4).toString("hex")}`;
    const path = `/api/v1/namespaces/${namespace}`;
    await api.ask("POST", "/api/v1/namespaces", { body: { metadata: { name: namespace } } });
    try {
      const said = fc.record(
        { cpu: fc.constantFrom("50m", "100m", "300m"), memory: fc.constantFrom("64Mi", "100M") },
        { requiredKeys: [] },
      );
      const container = fc.record({
        requests: said,
        isSidecar: fc.boolean(),
        isSilent: fc.integer({ max: 4, min: 0 }),
      });
      const several = fc.tuple(
        fc.array(container, { maxLength: 2 }),
        fc.array(container, { maxLength: 3 }),
        fc.boolean(),
        fc.constantFrom("100m", "250m", "400m", "600m", "1"),
      );
      for (const [beside, before, hasDefaults, most] of fc.sample(several, { numRuns: 60, seed: 20_260_102 })) {
        const written = (
          name: string,
          { requests, isSidecar, isSilent }: (typeof beside)[number],
          isInit: boolean,
        ) => ({
          name,
          image: "web:1",
          ...(isInit && isSidecar ? { restartPolicy: "Always" } : {}),
          ...(isSilent === 0 ? {} : { resources: { requests: { cpu: "50m", memory: "64Mi", ...requests } } }),
        });
        const containers = beside.map((each, at) => written(`beside-${at}`, each, false));
        const initContainers = before.map((each, at) => written(`before-${at}`, each, true));
        const resources = { requests: { cpu: "100m", memory: "64Mi" } };
        const effective = policyOf({
          workloads: {
            quota: { "requests.cpu": most, "requests.memory": "10Gi" },
            ...(hasDefaults ? { pod: { defaultRequests: { cpu: "50m", memory: "64Mi" } } } : {}),
          },
        });
        const app = appOf(JSON.parse(JSON.stringify({ resources, containers, initContainers })));
        const { limits, quota } = enforcementOf(effective, { namespace, agent: undefined, apiServer: [] });
        await api.ask("DELETE", `${path}/limitranges/fairlead`);
        await api.ask("DELETE", `${path}/resourcequotas/fairlead`);
        if (limits) await api.ask("POST", `${path}/limitranges`, { body: limits });
        await api.ask("POST", `${path}/resourcequotas`, { body: quota });
        const { decision, findings } = ask(app, { policy: effective });
        const spec = { containers: [{ name: "app", image: "web:1", resources }, ...containers], initContainers };
        const body = { metadata: { name: "one" }, spec };
        const shown = `${decision} ${JSON.stringify(findings)} ${most} ${hasDefaults} ${JSON.stringify(spec)}`;
        await until(shown, async () => {
          const answer = await api.ask("POST", `${path}/pods`, { body, query: { dryRun: "All" } });
          // Until the quota has counted for the first time it lets nothing in.
          assert.doesNotMatch(answer.body.message ?? "", /status unknown|no API token|serviceaccount/i);
          assert.equal(answer.status, decision === "admit" ? 201 : 403, answer.body.message);
        });
      }
    } finally {
      await api.ask("DELETE", `/api/v1/namespaces/${namespace}`);
    }
  });

  it("refuses by its Pod Security level what admission refuses, and takes what it admits", async () => {
    const security: JsonObject[] = [
      {},
      { privileged: true },
      { privileged: false },
      ...["SYS_ADMIN", "NET_RAW", "CHOWN", "NET_BIND_SERVICE"].map((add) => ({ capabilities: { add: [add] } })),
      { capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } },
      { capabilities: { drop: ["NET_RAW"] } },
      { allowPrivilegeEscalation: true },
      { runAsNonRoot: false },
      { runAsNonRoot: true },
      { runAsUser: 0 },
      { runAsUser: 1000 },
      { seccompProfile: { type: "Unconfined" } },
      { seccompProfile: { type: "RuntimeDefault" } },
      { appArmorProfile: { type: "Unconfined" } },
      { procMount: "Unmasked" },
      { seLinuxOptions: { type: "spc_t" } },
      { seLinuxOptions: { type: "container_t", level: "s0:c1,c2" } },
      { seLinuxOptions: { user: "system_u" } },
    ];
    const pods: JsonObject[] = [
      {},
      { runAsNonRoot: false },
      { runAsUser: 0 },
      { seccompProfile: { type: "Unconfined" } },
      { sysctls: [{ name: "kernel.msgmax", value: "1" }] },
      { sysctls: [{ name: "net.ipv4.tcp_syncookies", value: "1" }] },
      { seLinuxOptions: { role: "sysadm_r" } },
    ];
    for (const level of ["baseline", "restricted"] as const) {
      const namespace = `contract-${randomBytes(4).toString("hex")}`;
      const metadata = { name: namespace, labels: { "pod-security.kubernetes.io/enforce": level } };
      await api.ask("POST", "/api/v1/namespaces", { body: { metadata } });
      const policy = policyOf({ workloads: { podSecurity: level } });
      try {
        const cases = [
          ...security.flatMap((one) => [
            { securityContext: one },
            { containers: [{ name: "b", image: "b:1", securityContext: one }] },
            { initContainers: [{ name: "b", image: "b:1", securityContext: one }] },
          ]),
          ...pods.map((one) => ({ podSecurityContext: one })),
          { containers: [{ name: "b", image: "b:1", ports: [{ containerPort: 80, hostPort: 80 }] }] },
        ];
        for (const written of cases) {
          const app = appOf(JSON.parse(JSON.stringify(written)));
          const secured = (container: JsonObject): JsonObject => {
            const context = securedContainer(partAt(container, "securityContext"), level);
            return { ...container, ...(context ? { securityContext: context } : {}) };
          };
          const own = app.securityContext ? { securityContext: app.securityContext } : {};
          const spec = {
            securityContext: securedPod(app.podSecurityContext, level),
            containers: [{ name: "app", image: "web:1", ...own }, ...app.containers].map(secured),
            initContainers: app.initContainers.map(secured),
          };
          const { decision, findings } = ask(app, { policy });
          await until(`${level} ${decision} ${JSON.stringify([written, findings])}`, async () => {
            const body = { metadata: { name: "one" }, spec };
            const answer = await api.ask("POST", `/api/v1/namespaces/${namespace}/pods`, {
              body,
              query: { dryRun: "All" },
            });
            assert.doesNotMatch(answer.body.message ?? "", /serviceaccount/i);
            // 422: what not even the privileged may say of an ordinary pod.
            const expected = decision === "admit" ? [201] : [403, 422];
            assert.ok(expected.includes(answer.status), `${answer.status} ${answer.body.message}`);
          });
        }
      } finally {
        await api.ask("DELETE", `/api/v1/namespaces/${namespace}`);
      }
    }
  });
});

function valuesOf(amounts: Record<string, string> = {}): Map<string, bigint | undefined> {
  return new Map(
    Object.entries(amounts)
      .map(([name, text]) => [name, parseQuantity(text)] as const)
      .sort(),
  );
}

async function until(what: string, check: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw new Error(what, { cause: error });
      await setTimeout(50);
    }
  }
}
