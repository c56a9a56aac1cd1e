import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { valuesPage, valuesSchema } from "../../docs/generate-values.ts";
import { ringPlaces } from "../../src/audit/store.ts";
import { loadConfig } from "../../src/config.ts";
import { peerPolicies } from "../../src/kube/resources.ts";
import { effectivePolicy } from "../../src/policy/effective.ts";
import { agentPodLabels } from "../../src/workloads/host/guards-facts.ts";
import { peerNamespace } from "../../src/workloads/host/names.ts";
import { chart, helm, type Manifest, render, type Values } from "./render.ts";

const root = new URL("../..", import.meta.url).pathname;

/** What people set, by what for: each must lint, render, and give the agent a configuration that it takes. */
const table: { name: string; values: Values; url?: string; kinds?: string[] }[] = [
  { name: "nothing set: an agent that dials out", values: {} },
  {
    name: "a NodePort",
    values: { link: { url: "ws://node:31801/link", service: { type: "NodePort", nodePort: 31801 } } },
    url: "ws://node:31801/link",
  },
  {
    name: "a load balancer",
    values: {
      link: {
        url: "ws://lb.example.com:8001/link",
        service: {
          type: "LoadBalancer",
          annotations: { "cloud.example.com/scheme": "internet" },
          loadBalancerClass: "example.com/lb",
          loadBalancerSourceRanges: ["10.0.0.0/8"],
          externalTrafficPolicy: "Local",
        },
      },
    },
    url: "ws://lb.example.com:8001/link",
  },
  {
    name: "an Ingress with a certificate",
    values: {
      link: { ingress: { enabled: true, className: "nginx", host: "fairlead.example.com", tlsSecret: "fairlead-tls" } },
    },
    url: "wss://fairlead.example.com/link",
    kinds: ["Ingress"],
  },
  {
    name: "an Ingress without one",
    values: { link: { ingress: { enabled: true, host: "fairlead.example.com" } } },
    url: "ws://fairlead.example.com/link",
    kinds: ["Ingress"],
  },
  {
    name: "a Gateway",
    values: {
      link: {
        route: { enabled: true, host: "fairlead.example.com", parentRefs: [{ name: "public", namespace: "gw" }] },
      },
    },
    url: "wss://fairlead.example.com/link",
    kinds: ["HTTPRoute"],
  },
  {
    name: "settings, a proxy from a Secret, and roots of one's own",
    values: {
      name: "tokyo",
      config: { log: { level: "debug" }, link: { noProxy: ["10.0.0.0/8"], caFile: "/roots/ca.pem", maxLinks: 100000 } },
      env: [{ name: "HTTPS_PROXY", valueFrom: { secretKeyRef: { name: "proxy", key: "url" } } }],
      volumes: [{ name: "roots", configMap: { name: "roots" } }],
      volumeMounts: [{ name: "roots", mountPath: "/roots", readOnly: true }],
    },
  },
  {
    name: "a place to run",
    values: {
      image: { repository: "registry.example.com/fairlead", digest: `sha256:${"0".repeat(64)}`, pullPolicy: "Always" },
      imagePullSecrets: [{ name: "registry" }],
      nodeSelector: { "kubernetes.io/arch": "amd64" },
      tolerations: [{ operator: "Exists" }],
      affinity: { nodeAffinity: {} },
      priorityClassName: "system-cluster-critical",
      podLabels: { team: "platform" },
      podAnnotations: { "example.com/scrape": "true" },
      serviceAccount: { annotations: { "example.com/role": "none" } },
      rbac: { ownerReferencesPermissionEnforcement: true },
    },
  },
  {
    name: "policies of its own",
    values: {
      policies: [
        {
          name: "all",
          spec: {
            workloads: {
              accept: true,
              images: ["ghcr.io/shop/**"],
              quota: { pods: 20, "requests.cpu": "4" },
              pod: { max: { cpu: 1, memory: "1Gi" }, requireLimits: ["memory"] },
              network: { egress: [{ cidr: "0.0.0.0/0", ports: [{ port: 443 }] }] },
              podSecurity: "restricted",
            },
          },
        },
        {
          name: "shop",
          spec: { peers: { matchLabels: { team: "shop" } }, tunnels: { until: "2027-01-01T00:00:00Z" } },
        },
      ],
    },
    kinds: ["PeerPolicy"],
  },
];

for (const { name, values, url, kinds = [] } of table) {
  test(`the chart lints and renders with ${name}`, { timeout: 120_000 }, async () => {
    const linted = await helm(["lint", "--strict", chart], values);
    assert.equal(linted.code, 0, linted.stdout + linted.stderr);
    const rendered = await render(values);
    for (const kind of ["Ingress", "HTTPRoute", "PeerPolicy"])
      assert.equal(rendered.has(kind), kinds.includes(kind), kind);
    const text: string = rendered.get("ConfigMap", "fairlead").data["fairlead.yaml"];
    const { config } = loadConfig({ flags: {}, env: {}, file: { path: "fairlead.yaml", text } });
    assert.equal(config.link.url, url);
    assert.deepEqual([config.console.port, config.link.port, config.telemetry.port], [8000, 8001, 8002]);
    assert.equal(config.kube.namespace, "ship");
    for (const object of rendered.objects) {
      assert.ok(object.metadata.labels["app.kubernetes.io/name"] === "fairlead", `${object.kind} bears the labels`);
    }
  });
}

test("settings of the table reach the agent and its pod", async () => {
  const [settings, place] = [table[6], table[7]];
  const first = await render(settings?.values);
  const { config } = loadConfig({
    flags: {},
    env: {},
    file: { path: "f", text: first.get("ConfigMap", "fairlead").data["fairlead.yaml"] },
  });
  assert.deepEqual([config.name, config.log.level, config.link.noProxy], ["tokyo", "debug", "10.0.0.0/8"]);
  const { containers, volumes } = first.get("Deployment", "fairlead").spec.template.spec;
  assert.ok(containers[0].env.some((each: Manifest) => each.name === "HTTPS_PROXY"));
  assert.deepEqual(volumes.map((each: Manifest) => each.name).sort(), ["config", "roots"]);
  const second = (await render(place?.values)).get("Deployment", "fairlead").spec.template;
  assert.equal(second.spec.containers[0].image, `registry.example.com/fairlead@sha256:${"0".repeat(64)}`);
  assert.equal(second.metadata.labels.team, "platform");
  assert.equal(second.spec.priorityClassName, "system-cluster-critical");
});

test("a changed setting is a new pod", async () => {
  const annotation = async (values: Values): Promise<string> =>
    (await render(values)).get("Deployment", "fairlead").spec.template.metadata.annotations["fairlead.dev/config"];
  assert.equal(await annotation({}), await annotation({}));
  assert.notEqual(await annotation({}), await annotation({ config: { log: { level: "debug" } } }));
});

const wrong: { name: string; values: Values; says: RegExp }[] = [
  { name: "a value that does not exist", values: { replicas: 2 }, says: /replicas/ },
  { name: "a setting that does not exist", values: { config: { link: { prot: 1 } } }, says: /prot/ },
  { name: "a port that the Services do not know", values: { config: { console: { port: 9000 } } }, says: /port/ },
  { name: "another namespace for the agent's objects", values: { config: { kube: { namespace: "x" } } }, says: /kube/ },
  { name: "a level that does not exist", values: { config: { log: { level: "loud" } } }, says: /level/ },
  { name: "an Ingress without a host", values: { link: { ingress: { enabled: true } } }, says: /host/ },
  {
    name: "an HTTPRoute without a Gateway",
    values: { link: { route: { enabled: true, host: "a.b" } } },
    says: /parentRefs/,
  },
  {
    name: "a kind of Service that does not exist",
    values: { link: { service: { type: "ExternalName" } } },
    says: /type/,
  },
  { name: "a URL that is none", values: { link: { url: "fairlead.example.com" } }, says: /url/ },
  { name: "a policy without a name", values: { policies: [{ spec: {} }] }, says: /name/ },
  {
    name: "a rule of a policy that is misspelt, which an API server would drop in silence",
    values: { policies: [{ name: "all", spec: { workloads: { accept: true, requireDigests: true } } }] },
    says: /requireDigests/,
  },
  {
    name: "a quantity that is none",
    values: { policies: [{ name: "all", spec: { workloads: { quota: { "requests.memory": "8 GiB" } } } }] },
    says: /memory/,
  },
  {
    name: "a namespace that shares nothing",
    values: { shared: { namespaces: [{ name: "shop" }] } },
    says: /namespaces/,
  },
  { name: "a digest that is none", values: { image: { digest: "latest" } }, says: /digest/ },
];

for (const { name, values, says } of wrong) {
  test(`the schema refuses ${name}`, async () => {
    const { code, stderr } = await helm(["template", "fairlead", chart], values);
    assert.notEqual(code, 0);
    assert.match(stderr, says);
  });
}

test("the pod is restricted and writes nothing", async () => {
  const rendered = await render();
  const { spec } = rendered.get("Deployment", "fairlead");
  assert.deepEqual([spec.replicas, spec.strategy], [1, { type: "Recreate" }]);
  const pod = spec.template.spec;
  const [container] = pod.containers;
  assert.deepEqual(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    capabilities: { drop: ["ALL"] },
  });
  assert.ok(container.volumeMounts.every((mount: Manifest) => mount.readOnly === true));
  assert.deepEqual(
    ["startupProbe", "livenessProbe", "readinessProbe"].map((probe) => container[probe].httpGet.port),
    ["telemetry", "telemetry", "telemetry"],
  );
  const config = loadConfig({ flags: {}, env: {} }).config;
  assert.ok(pod.terminationGracePeriodSeconds * 1000 > config.shutdown.grace, "it may drain before it is killed");
});

test("the console is inside only, whatever the peer port's Service is", async () => {
  for (const { values } of table) {
    const rendered = await render(values);
    const console_ = rendered.get("Service", "fairlead");
    assert.equal(console_.spec.type, "ClusterIP");
    assert.deepEqual(
      console_.spec.ports.map((port: Manifest) => [port.name, port.port]),
      [["console", 8000]],
    );
    const others = rendered.objects.filter((object) => object.kind === "Service" && object !== console_);
    assert.deepEqual(
      others.map((service) => service.spec.ports.map((port: Manifest) => port.targetPort)),
      [["link"]],
    );
    for (const object of rendered.objects.filter(({ kind }) => kind === "Ingress" || kind === "HTTPRoute")) {
      assert.doesNotMatch(JSON.stringify(object), /8000|console/);
      assert.match(JSON.stringify(object), /fairlead-link/);
    }
  }
});

test("the agent reads and writes policies in its own namespace alone, and replaces none of them whole", async () => {
  const rendered = await render();
  const verbs = (resource: string, kind: string): string[] =>
    rendered.objects
      .filter((object) => object.kind === kind)
      .flatMap(({ rules = [] }) => rules)
      .filter((rule: Manifest) => rule.resources?.includes(resource))
      .flatMap((rule: Manifest) => rule.verbs);
  assert.deepEqual(verbs("peerpolicies", "Role"), ["get", "list", "watch", "create", "patch", "delete"]);
  assert.deepEqual(verbs("peerpolicies/status", "Role"), ["patch"]);
  assert.deepEqual(verbs("peerpolicies", "ClusterRole"), []);
});

test("of ConfigMaps the agent reads and replaces those of its audit and the one of its notifications alone", async () => {
  const { rules } = (await render()).get("Role", "fairlead-agent");
  const about = rules.filter((rule: Manifest) => rule.resources.includes("configmaps"));
  const names = Array.from({ length: ringPlaces }, (_, place) => `fairlead-audit-${String(place).padStart(2, "0")}`);
  assert.deepEqual(
    about.map((rule: Manifest) => [rule.verbs, rule.resourceNames]),
    [
      [["create"], undefined],
      [
        ["get", "update"],
        [...names, "fairlead-notifications"],
      ],
    ],
  );
});

test("in the namespace default the agent sees one EndpointSlice, that of the API server", async () => {
  const rendered = await render();
  assert.deepEqual(rendered.get("Role", "fairlead-api-server").rules, [
    {
      apiGroups: ["discovery.k8s.io"],
      resources: ["endpointslices"],
      resourceNames: ["kubernetes"],
      verbs: ["list", "watch"],
    },
  ]);
  const binding = rendered.get("RoleBinding", "fairlead-api-server");
  assert.equal(binding.metadata.namespace, "default");
  assert.deepEqual(binding.subjects, [{ kind: "ServiceAccount", name: "fairlead", namespace: "ship" }]);
});

test("NetworkPolicies find the agent's pod by labels that it has whatever is set", async () => {
  for (const { values } of table) {
    const { labels } = (await render(values)).get("Deployment", "fairlead").spec.template.metadata;
    for (const [name, value] of Object.entries(agentPodLabels)) assert.equal(labels[name], value);
  }
});

test("policies of the values become PeerPolicies of the agent's namespace, as they are written", async () => {
  const { values } = table.at(-1) ?? {};
  const rendered = await render(values);
  const { metadata, spec } = rendered.get("PeerPolicy", "all");
  assert.equal(metadata.namespace, "ship");
  assert.deepEqual(values?.policies, [
    { name: "all", spec },
    { name: "shop", spec: rendered.get("PeerPolicy", "shop").spec },
  ]);
  assert.deepEqual(peerPolicies.parse({ metadata, spec }).problems, undefined);
});

test("the admission policy speaks of the prefix and the role that the agent uses", async () => {
  const rendered = await render();
  const policy = JSON.stringify(rendered.get("ValidatingAdmissionPolicy", "fairlead-agent").spec);
  assert.match(policy, new RegExp(`startsWith\\('${peerNamespace("")}'\\)`));
  assert.match(policy, /system:serviceaccount:ship:fairlead/);
  const { kube } = parse(rendered.get("ConfigMap", "fairlead").data["fairlead.yaml"]);
  assert.match(policy, new RegExp(`roleRef.name == '${kube.tenantRole}'`));
  rendered.get("ClusterRole", kube.tenantRole);
  const binding = rendered.get("ValidatingAdmissionPolicyBinding", "fairlead-agent").spec;
  assert.deepEqual([binding.policyName, binding.validationActions], ["fairlead-agent", ["Deny"]]);
});

test("the history of apps can be left out, and with it every right to ControllerRevisions", async () => {
  const rules = async (values: Values): Promise<string> =>
    JSON.stringify((await render(values)).get("ClusterRole", "fairlead-agent"));
  assert.match(await rules({}), /controllerrevisions/);
  assert.doesNotMatch(await rules({ rbac: { history: false } }), /controllerrevisions/);
});

test("reading nodes can be left out", async () => {
  const rules = async (values: Values): Promise<string> =>
    JSON.stringify((await render(values)).get("ClusterRole", "fairlead-agent"));
  assert.match(await rules({}), /"nodes"/);
  assert.doesNotMatch(await rules({ rbac: { nodes: false } }), /"nodes"/);
});

test("definitions are in crds/, which Helm installs and never removes", async () => {
  const rendered = await render();
  assert.ok(!rendered.has("CustomResourceDefinition"), "a template would be removed with the release");
  assert.equal(readdirSync(`${chart}/crds`).length, 5);
  const { stdout } = await helm(["template", "fairlead", chart, "--include-crds"]);
  assert.equal(stdout.match(/^kind: CustomResourceDefinition$/gm)?.length, 5);
});

test("the notes say the next command", { timeout: 60_000 }, async () => {
  const notes = async (values: Values): Promise<string> => {
    const dry = ["install", "fairlead", chart, "--namespace", "ship", "--dry-run=client"];
    const { code, stdout, stderr } = await helm(dry, values);
    assert.equal(code, 0, stderr);
    return stdout.slice(stdout.indexOf("NOTES:"));
  };
  assert.match(await notes({}), /-n ship exec -i deploy\/fairlead -- fairlead --agent-namespace ship join LINE/);
  assert.match(
    await notes({ link: { url: "ws://a/link" } }),
    /Peers reach it at ws:\/\/a\/link[\s\S]*invite --name PEER --grant apps/,
  );
  assert.match(await notes({ link: { service: { type: "NodePort" } } }), /NODEPORT/);
  const first = await notes({});
  assert.match(first, /Nothing of a peer runs here before a PeerPolicy/);
  const [, written = ""] = /<<EOF\n([\s\S]*?)\n {2}EOF/.exec(first) ?? [];
  const policy = peerPolicies.parse(parse(written));
  assert.equal(policy.problems, undefined, "what the notes say to apply is understood");
  assert.ok(effectivePolicy([policy], { name: "any", labels: {} }).accept);
  const given = await notes({ policies: [{ name: "all", spec: {} }] });
  assert.match(given, /PeerPolicies of this release: all\./);
  assert.doesNotMatch(given, /Nothing of a peer runs/);
});

test("the chart has the version of the program", () => {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
  const { appVersion, version: ownVersion } = parse(readFileSync(`${chart}/Chart.yaml`, "utf8"));
  assert.deepEqual([appVersion, ownVersion], [version, version]);
});

test("the reference of the values and the schema of the settings are current; `make docs` makes them so", () => {
  assert.equal(readFileSync(`${root}docs/reference/values.md`, "utf8"), valuesPage());
  assert.equal(readFileSync(`${chart}/values.schema.json`, "utf8"), valuesSchema());
});

test("nodes can pull what peers bring along through a NodePort or a relay on each, and not unless it is asked for", async () => {
  const kindsOf = async (values: Values): Promise<string[]> =>
    (await render(values)).objects.flatMap(({ kind, metadata }) => (metadata.name === "fairlead-images" ? [kind] : []));
  const settings = async (values: Values) => {
    const map = (await render(values)).objects.find(({ kind }) => kind === "ConfigMap");
    const text = map?.data?.["fairlead.yaml"] ?? assert.fail("there is no configuration");
    return loadConfig({ flags: {}, env: {}, file: { path: "fairlead.yaml", text } }).config.images;
  };
  assert.deepEqual(await kindsOf({}), []);
  assert.equal((await settings({})).registry, undefined);
  assert.deepEqual(await kindsOf({ images: { enabled: true } }), ["Service"]);
  const { registry, way, port } = await settings({ images: { enabled: true, nodePort: 30777 } });
  assert.deepEqual([registry, way, port], ["localhost:30777", "NodePort", 8003]);
  const relayed = { images: { enabled: true, relay: { enabled: true } } };
  assert.deepEqual((await kindsOf(relayed)).sort(), ["DaemonSet", "Service"]);
  const relaying = await settings(relayed);
  assert.deepEqual([relaying.registry, relaying.way], ["localhost:30500", "HostPort"]);
  const daemons = JSON.stringify((await render(relayed)).objects.find(({ kind }) => kind === "DaemonSet"));
  assert.match(daemons, /"127\.0\.0\.1:30500"/);
  assert.match(daemons, /"automountServiceAccountToken":false/);
});
