/** docs/policies.md: every policy on the page can be applied as it stands, and does what the page says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import { parseDocuments } from "../../src/base/document.ts";
import type { Condition } from "../../src/gen/fairlead/resources/v1alpha1/condition_pb.ts";
import type { RemoteAppSpec } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";
import { type PeerPolicy, peerPolicies } from "../../src/kube/resources.ts";
import { admit, type Verdict } from "../../src/policy/admission.ts";
import { demandOf } from "../../src/policy/demand.ts";
import { type EffectivePolicy, effectivePolicy } from "../../src/policy/effective.ts";
import { enforcementOf } from "../../src/policy/enforcement.ts";
import { permitPull } from "../../src/policy/pulls.ts";
import { formatQuantity } from "../../src/policy/quantity.ts";
import { permitReverse, permitTunnel } from "../../src/policy/reach.ts";
import { hashSpec } from "../../src/policy/spec-hash.ts";
import type { NamedTarget } from "../../src/wire/target-text.ts";
import { type ApiWorld, startApi } from "../console/api/world.ts";
import { applyPolicies } from "./world.ts";

const page = readFileSync(new URL("../../docs/policies.md", import.meta.url), "utf8");

/** The YAML below each heading. */
const recipes = new Map(
  page.split(/^##+ /m).flatMap((part): [string, string][] => {
    const [heading = ""] = part.split("\n", 1);
    const yaml = [...part.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text).join("---\n");
    return yaml === "" ? [] : [[heading.replace(/^# /, ""), yaml]];
  }),
);

/** Friday at noon, when nothing has ended yet. */
const noon = Date.parse("2030-01-04T12:00:00Z");
const digest = `sha256:${"a".repeat(64)}`;

interface Recipe {
  readonly policies: readonly PeerPolicy[];
  readonly west: EffectivePolicy;
}

/** What each recipe promises, by its heading. */
const promises: Readonly<Record<string, (recipe: Recipe) => void>> = {
  "What a peer may do here"({ west, policies }) {
    assert.equal(judge(west, {}).decision, "admit");
    assert.equal(judge(effectivePolicy(policies, { name: "east", labels: {} }), {}).decision, "deny");
  },
  "A peer that you trust"({ west }) {
    assert.equal(judge(west, { replicas: 50 }).decision, "admit");
    assert.deepEqual(rulesOf(judge(west, { replicas: 51 })), ["replicas/max"]);
    assert.deepEqual(west.pods, { logs: true, exec: true, files: true });
  },
  "A stranger, with your approval for each app"({ west }) {
    const app = { resources: { limits: { cpu: "1", memory: "1Gi" } } };
    assert.equal(judge(west, app).decision, "hold");
    assert.equal(judge(west, { ...app, replicas: 3 }).decision, "deny");
    assert.equal(west.approvalLastsMs, 30 * 86_400_000);
    const [cpu, memory] = [west.pod.defaultRequests.get("cpu"), west.pod.max.get("memory")];
    assert.equal(formatQuantity(cpu ?? 0n, "cpu"), "100m");
    assert.equal(formatQuantity(memory ?? 0n, "memory"), "2Gi");
  },
  "Only signed-off images, by digest, from one registry"({ west }) {
    const rules = (image: string): string[] => rulesOf(judge(west, { image }));
    assert.deepEqual(rules(`registry.example.org/released/shop/web@${digest}`), []);
    assert.deepEqual(rules("registry.example.org/released/web:1"), ["images/digest"]);
    assert.deepEqual(rules(`registry.example.org/released/legacy/web@${digest}`), ["images/denied"]);
    assert.deepEqual(rules(`registry.example.org/released-evil/web@${digest}`), ["images/not-allowed"]);
    assert.deepEqual(rules(`nginx@${digest}`), ["images/not-allowed"]);
  },
  "Images that a peer brings along, from one registry"({ west }) {
    const judged = (image: string): Verdict => judge(west, { image, imagePull: "ThroughOrigin" });
    const verdict = judged(`registry.west.example/shop/web:1@${digest}`);
    assert.equal(verdict.decision, "hold");
    assert.deepEqual(rulesOf(verdict), ["approval/new-image"]);
    assert.equal(judged("registry.west.example/shop/web:1").decision, "deny");
    assert.ok(rulesOf(judged(`registry.example.org/shop/web@${digest}`)).includes("images/not-allowed"));
  },
  "A registry of yours, for the nodes of a peer"({ west, policies }) {
    const place = { registry: "registry.example.org", repository: "shop/web/front" };
    assert.equal(permitPull(west, place).allowed, true);
    assert.equal(permitPull(west, { ...place, repository: "secrets" }).allowed, false);
    assert.equal(permitPull(west, { ...place, registry: "docker.io" }).allowed, false);
    const east = effectivePolicy(policies, { name: "east", labels: {} });
    assert.equal(permitPull(east, place).allowed, false);
    assert.equal(west.accept, false, "it lets nobody run anything here");
  },
  "A quota for a team, and a stricter one for one of them"({ policies }) {
    const asked = { resources: { requests: { cpu: "100m", memory: "64Mi" } } };
    const east = effectivePolicy(policies, { name: "east", labels: { team: "web" } });
    const west = effectivePolicy(policies, { name: "west", labels: { team: "web" } });
    assert.equal(judge(east, { ...asked, replicas: 40 }).decision, "admit");
    assert.equal(judge(west, { ...asked, replicas: 5 }).decision, "admit");
    assert.deepEqual(rulesOf(judge(west, { ...asked, replicas: 6 })), ["quota/pods"]);
    const greedy = { resources: { requests: { cpu: "3", memory: "64Mi" } }, replicas: 3 };
    assert.deepEqual(rulesOf(judge(west, greedy)), ["quota/requests.cpu"]);
    assert.ok(rulesOf(judge(west, {})).includes("requests/required"));
    // By its name alone it has no `accept`: the label is what lets it in.
    assert.equal(effectivePolicy(policies, { name: "west", labels: {} }).accept, false);
  },
  "Tunnels with approval on first use, until Friday"({ west }) {
    const reach = (target: NamedTarget, now: number): ReturnType<typeof permitTunnel> =>
      permitTunnel({ peer: "west", grants: ["tunnels"] }, target, west, [], now);
    const db = { kind: "service", namespace: "shop", name: "db", port: 5432 } as const;
    assert.ok("held" in reach(db, noon));
    assert.ok("held" in reach({ ...db, namespace: "metrics", name: "any", port: 9090 }, noon));
    assert.ok(!("held" in reach({ ...db, port: 22 }, noon)));
    const decided = [{ target: "service/shop/db:5432", verdict: "Approved" as const }];
    const caller = { peer: "west", grants: ["tunnels"] };
    assert.ok(permitTunnel(caller, db, west, decided, noon).allowed);
    assert.ok(!permitTunnel(caller, db, west, decided, Date.parse("2030-01-04T18:00:00Z")).allowed);
    assert.equal(west.tunnels.approvalLastsMs, 8 * 3_600_000);
  },
  "The hosts of your routes"({ west }) {
    const reach = (host: string, namespace: string): boolean =>
      permitTunnel({ peer: "west", grants: ["tunnels"] }, { kind: "route", host, port: 80, namespace }, west, [], noon)
        .allowed;
    assert.ok(reach("shop.example.org", "web"));
    assert.ok(!reach("shop.example.org", "data"));
    assert.ok(reach("db.data", "data"));
    assert.ok(!reach("example.net", "shop"));
  },
  "What your nodes tell, for a peer's monitoring"({ west }) {
    const reach = (name: string, labels: Record<string, string>): boolean =>
      permitTunnel({ peer: "west", grants: ["tunnels"] }, { kind: "node", name, labels }, west, [], noon).allowed;
    assert.ok(reach("worker-1", {}));
    assert.ok(reach("edge-7", {}));
    assert.ok(!reach("worker-2", {}));
    assert.ok(reach("worker-2", { "example.org/pool": "guests" }));
  },
  "A database of the peer's, as a Service here"({ west }) {
    const offers = (name: string, port: number, grants = ["tunnels"]): boolean =>
      permitReverse({ peer: "west", grants }, { name, ports: [port] }, west, noon).allowed;
    assert.ok(offers("db", 5432));
    assert.ok(!offers("db", 22));
    assert.ok(!offers("other", 5432));
    assert.ok(!offers("db", 5432, ["apps"]));
  },
  "A database outside of the cluster, and this agent's metrics, within bounds"({ west }) {
    const reach = (target: NamedTarget): boolean =>
      permitTunnel({ peer: "west", grants: ["tunnels"] }, target, west, [], noon).allowed;
    assert.ok(reach({ kind: "address", name: "erp-db", port: 5432 }));
    assert.ok(!reach({ kind: "address", name: "erp-db", port: 22 }));
    assert.ok(reach({ kind: "metrics" }));
    assert.deepEqual(west.tunnels.limits, { connections: 200, connectionsPerSecond: 20, bytesPerSecond: 10_000_000 });
  },
  "Restricted pods on nodes of their own"({ west }) {
    assert.equal(west.podSecurity, "restricted");
    assert.deepEqual(west.nodeSelector, { "example.org/for": "guests" });
    assert.equal(judge(west, { nodeSelector: { "example.org/for": "guests" } }).decision, "admit");
    const rules = (app: JsonObject): string[] => rulesOf(judge(west, app));
    assert.deepEqual(rules({ nodeSelector: { "example.org/for": "kings" } }), ["scheduling/node-selector"]);
    assert.deepEqual(rules({ securityContext: { runAsUser: 0 } }), ["security/run-as-root"]);
  },
  "Nodes that are set apart, for those who ask for them"({ west }) {
    const gpu = {
      resources: { limits: { "nvidia.com/gpu": 1 } },
      nodeSelector: { "example.org/pool": "gpu", "kubernetes.io/arch": "amd64" },
      tolerations: [{ key: "example.org/pool", value: "gpu", effect: "NoSchedule" }],
      topologySpreadConstraints: [{ topologyKey: "kubernetes.io/hostname" }],
    };
    assert.deepEqual(rulesOf(judge(west, gpu)), []);
    assert.deepEqual(rulesOf(judge(west, { tolerations: [{ operator: "Exists" }] })), ["scheduling/toleration"]);
    assert.deepEqual(rulesOf(judge(west, { nodeSelector: { "kubernetes.io/hostname": "n1" } })), [
      "scheduling/node-label",
    ]);
  },
  "Storage of one class, and databases that may grow to it"({ west }) {
    const claim = (storage: string, storageClassName = "standard") => ({
      kind: "StatefulSet",
      claims: [{ name: "data", spec: { storageClassName, resources: { requests: { storage } } } }],
    });
    assert.deepEqual(rulesOf(judge(west, { ...claim("20Gi"), replicas: 3 })), []);
    assert.deepEqual(rulesOf(judge(west, { ...claim("20Gi"), replicas: 4 })), ["quota/requests.storage"]);
    assert.deepEqual(rulesOf(judge(west, { ...claim("1Gi"), replicas: 7 })), ["quota/persistentvolumeclaims"]);
    assert.deepEqual(rulesOf(judge(west, claim("21Gi"))), ["storage/size"]);
    assert.deepEqual(rulesOf(judge(west, claim("1Gi", "fast"))), ["storage/class"]);
  },
  "Jobs, as many as run at a time"({ west }) {
    const job = (parallelism: number) => ({ kind: "Job", job: { parallelism, completions: 100 } });
    assert.deepEqual(rulesOf(judge(west, job(4))), []);
    assert.deepEqual(rulesOf(judge(west, job(5))), ["replicas/max"]);
    const cron = (policy: JsonObject) => ({ kind: "CronJob", cronJob: { schedule: "@daily", ...policy } });
    assert.deepEqual(rulesOf(judge(west, cron({}))), ["jobs/overlap"]);
    assert.deepEqual(rulesOf(judge(west, cron({ concurrencyPolicy: "Forbid" }))), []);
  },
  "Annotations that something else here understands"({ west }) {
    const rules = (key: string): string[] => rulesOf(judge(west, { podAnnotations: { [key]: "x" } }));
    assert.deepEqual(rules("prometheus.io/scrape"), []);
    assert.deepEqual(rules("checksum/config"), []);
    assert.deepEqual(rules("k8s.v1.cni.cncf.io/networks"), ["pod/annotations"]);
    assert.deepEqual(rules("kubernetes.io/egress-bandwidth"), ["pod/annotations"]);
  },
  "Nothing outside but one database"({ west }) {
    const place = { namespace: "fairlead-peer-west", agent: undefined, apiServer: [] };
    const { network } = enforcementOf(west, place);
    const isDns = ({ ports = [] }: { ports?: { port?: unknown }[] }): boolean => ports.some(({ port }) => port === 53);
    const rules = network.spec?.egress?.filter((rule) => !isDns(rule)) ?? [];
    const blocks = rules.flatMap(({ to = [] }) => to.flatMap(({ ipBlock }) => ipBlock?.cidr ?? []));
    assert.deepEqual(blocks, ["10.20.0.7/32"]);
    assert.deepEqual(
      rules.flatMap(({ ports = [] }) => ports.map(({ port }) => port)),
      [5432],
    );
  },
  "Stop what no longer conforms"({ west }) {
    assert.equal(west.whenViolated, "Stop");
    assert.deepEqual(rulesOf(judge(west, { image: "nginx" })), ["images/denied"]);
    assert.deepEqual(rulesOf(judge(west, { image: "quay.io/shop/web:1" })), []);
  },
  "Nobody beyond what this cluster can spare"({ west, policies }) {
    const pods = west.total.get("pods") ?? 0n;
    assert.equal(formatQuantity(pods, "pods"), "100");
    assert.equal(policies[0]?.spec.peers, undefined);
    assert.equal(west.accept, false, "a bound alone lets nobody in");
  },
};

suite("docs/policies.md", { timeout: 120_000 }, () => {
  let world: ApiWorld;
  before(async () => {
    world = await startApi();
  });
  after(() => world[Symbol.asyncDispose]());

  test("every policy on it is checked here", () => {
    assert.deepEqual([...recipes.keys()].sort(), Object.keys(promises).sort());
  });

  for (const [heading, yaml] of recipes) {
    test(`${heading}: can be applied, is valid, and does what it says`, async () => {
      const { kube } = world.town;
      for (const { value } of parseDocuments(yaml)) {
        assert.ok(isJsonObject(value) && isJsonObject(value.metadata));
        assert.equal(value.metadata.namespace, "fairlead-system");
      }
      const names = await applyPolicies(world.town, yaml);
      const policies: PeerPolicy[] = [];
      for (const name of names) policies.push(await judged(kube.client, name));
      promises[heading]?.({ policies, west: effectivePolicy(policies, { name: "west", labels: {} }) });
    });
  }
});

/** The policy once the agent has looked at it; fails unless it found it valid. */
async function judged(client: KubeClient, name: string): Promise<PeerPolicy> {
  const signal = AbortSignal.timeout(30_000);
  const { items, resourceVersion } = await client.list(peerPolicies, { namespace: "fairlead-system" }, signal);
  const validity = ({ status }: PeerPolicy): Condition | undefined =>
    status?.conditions.find(({ type }) => type === "Valid");
  let found = items.find(({ metadata }) => metadata.name === name);
  if (!found || !validity(found)) {
    for await (const event of client.watch(peerPolicies, { namespace: "fairlead-system", resourceVersion }, signal)) {
      if (event.type !== "MODIFIED" || event.object.metadata.name !== name) continue;
      found = event.object;
      if (validity(found)) break;
    }
  }
  assert.ok(found);
  assert.equal(validity(found)?.status, "True", validity(found)?.message);
  return found;
}

/** The verdict about an app of a peer that has nothing else here. */
function judge(policy: EffectivePolicy, given: JsonObject): Verdict {
  const wanted = app(given);
  const none = { apps: 0, amounts: new Map<string, bigint>() };
  return admit(
    { app: wanted, demand: demandOf(wanted, policy) },
    {
      peer: "west",
      grants: ["apps"],
      policy,
      usage: none,
      totalUsage: none,
      knownImages: new Set<string>(),
      hasImageDoor: true,
      hash: hashSpec(wanted),
      now: noon,
    },
  );
}

function app(given: JsonObject): RemoteAppSpec {
  return fromJson(RemoteAppSpecSchema, { image: "registry.example.org/web:1", replicas: 1, ...given });
}

function rulesOf({ findings }: Verdict): string[] {
  return findings.map(({ rule }) => rule);
}
