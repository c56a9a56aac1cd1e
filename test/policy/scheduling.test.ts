import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import { appOf, ask, policyOf, summary } from "./given.ts";

const required = "requiredDuringSchedulingIgnoredDuringExecution";
const preferred = "preferredDuringSchedulingIgnoredDuringExecution";

function judge(app: JsonObject, workloads: JsonObject = {}) {
  return ask(appOf(app), { policy: policyOf({ workloads }) });
}

describe("where pods run", () => {
  const affinity = (kind: string, term: JsonObject) => ({
    affinity: {
      [kind]: {
        [required]: kind === "nodeAffinity" ? { nodeSelectorTerms: [term] } : [term],
        [preferred]: [kind === "nodeAffinity" ? { weight: 1, preference: term } : { weight: 1, podAffinityTerm: term }],
      },
    },
  });
  const byLabel = (key: string) => ({ matchExpressions: [{ key, operator: "In", values: ["x"] }] });

  test("is the host's to say: an app chooses by what any node has, and by nothing else unless a policy lets it", () => {
    const pool = { "example.org/pool": "gpu" };
    assert.equal(summary(judge({ nodeSelector: { "kubernetes.io/arch": "arm64" } })), "admit");
    assert.equal(summary(judge({ nodeSelector: pool })), "deny scheduling/node-label");
    assert.equal(summary(judge({ nodeSelector: { "kubernetes.io/hostname": "n1" } })), "deny scheduling/node-label");
    const open = { scheduling: { nodeLabels: ["example.org/*"] } };
    assert.equal(summary(judge({ nodeSelector: pool }, open)), "admit");
    assert.equal(
      summary(judge({ nodeSelector: { "kubernetes.io/arch": "arm64" } }, open)),
      "deny scheduling/node-label",
      "a list takes the place of the default",
    );
    assert.equal(summary(judge(affinity("nodeAffinity", byLabel("topology.kubernetes.io/zone")))), "admit");
    assert.equal(
      summary(judge(affinity("nodeAffinity", byLabel("example.org/pool")))),
      "deny scheduling/node-label scheduling/node-label",
    );
    assert.equal(
      summary(
        judge(affinity("nodeAffinity", { matchFields: [{ key: "metadata.name", operator: "In", values: ["n1"] }] })),
      ),
      "deny scheduling/node-name scheduling/node-name",
    );
  });

  test("stays where the policy keeps it", () => {
    const policy = { nodeSelector: { "example.org/for": "guests" }, scheduling: { nodeLabels: ["**"] } };
    assert.equal(summary(judge({ nodeSelector: { "example.org/for": "guests" } }, policy)), "admit");
    const { findings } = judge({ nodeSelector: { "example.org/for": "kings" } }, policy);
    assert.deepEqual(findings[0], {
      rule: "scheduling/node-selector",
      field: "nodeSelector[example.org/for]",
      message: "pods run on nodes with example.org/for=guests here, and the app cannot choose others",
      asked: "kings",
      allowed: "guests",
    });
  });

  test("is not where a taint keeps others out, unless a policy lets them in", () => {
    const control = { key: "node-role.kubernetes.io/control-plane", operator: "Exists" };
    const everything = { operator: "Exists" };
    const gone = {
      key: "node.kubernetes.io/unreachable",
      operator: "Exists",
      effect: "NoExecute",
      tolerationSeconds: 5,
    };
    const guests = { key: "example.org/pool", value: "guests", effect: "NoSchedule" };
    const any = { key: "example.org/pool", operator: "Exists" };
    const tolerates = (toleration: JsonObject, tolerations?: string[]) =>
      judge({ tolerations: [toleration] }, tolerations ? { scheduling: { tolerations } } : {}).decision;
    assert.equal(tolerates(gone), "admit");
    for (const each of [control, everything, guests, any, {}]) assert.equal(tolerates(each), "deny");
    assert.equal(tolerates(guests, ["example.org/pool=guests"]), "admit");
    assert.equal(tolerates({ ...guests, value: "kings" }, ["example.org/pool=guests"]), "deny");
    assert.equal(tolerates(any, ["example.org/pool=guests"]), "deny", "any value is more than the one");
    assert.equal(tolerates(any, ["example.org/*"]), "admit");
    for (const pattern of ["*", "example.org/*", "*/*"])
      assert.equal(tolerates(everything, [pattern]), "deny", pattern);
    assert.equal(tolerates(everything, ["**"]), "admit");
  });

  test("is said in regard to pods of the same peer and to no others", () => {
    const term = { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: { app: "web" } } };
    for (const kind of ["podAffinity", "podAntiAffinity"]) {
      assert.equal(summary(judge(affinity(kind, term))), "admit");
      for (const other of [{ namespaces: ["kube-system"] }, { namespaceSelector: {} }, { namespaces: [] }])
        assert.equal(
          summary(judge(affinity(kind, { ...term, ...other }))),
          "deny scheduling/namespaces scheduling/namespaces",
        );
      assert.equal(
        summary(judge(affinity(kind, { ...term, topologyKey: "example.org/rack" }))),
        "deny scheduling/topology scheduling/topology",
      );
    }
    const spread = (topologyKey: string) => ({
      topologySpreadConstraints: [{ maxSkew: 1, whenUnsatisfiable: "DoNotSchedule", topologyKey }],
    });
    assert.equal(summary(judge(spread("topology.kubernetes.io/zone"))), "admit");
    assert.equal(summary(judge(spread("example.org/rack"))), "deny scheduling/topology");
    assert.equal(
      summary(judge(spread("example.org/rack"), { scheduling: { topologyKeys: ["example.org/rack"] } })),
      "admit",
    );
  });
});

test("labels and annotations that others here may take for orders are refused", () => {
  const annotated = (key: string, annotations?: string[]) =>
    summary(judge({ podAnnotations: { [key]: "x" } }, annotations ? { pod: { annotations } } : {}));
  const labelled = (key: string, labels?: string[]) =>
    summary(judge({ podLabels: { [key]: "x" } }, labels ? { pod: { labels } } : {}));
  for (const key of ["app", "version", "checksum/config"]) {
    assert.equal(annotated(key), "admit");
    assert.equal(labelled(key), "admit");
  }
  const orders = [
    "k8s.v1.cni.cncf.io/networks",
    "sidecar.istio.io/inject",
    "io.kubernetes.cri-o.Devices",
    "io.containerd.runc",
    "cni.projectcalico.org/ipAddrs",
  ];
  for (const key of orders) {
    assert.equal(annotated(key), "deny pod/annotations", key);
    assert.equal(labelled(key), "deny pod/labels", key);
  }
  const reserved = [
    "fairlead.dev/workload",
    "container.apparmor.security.beta.kubernetes.io/app",
    "seccomp.security.alpha.kubernetes.io/pod",
    "pod-security.kubernetes.io/enforce",
    "x.k8s.io/y",
    "X.K8S.IO/y",
    "Fairlead.dev/workload",
  ];
  for (const key of reserved) {
    assert.equal(annotated(key, ["**"]), "deny pod/annotations", `${key}, whatever a policy says`);
    assert.equal(labelled(key, ["**"]), "deny pod/labels", key);
  }
  assert.equal(annotated("prometheus.io/scrape", ["prometheus.io/*"]), "admit");
  assert.equal(annotated("app", ["prometheus.io/*"]), "deny pod/annotations", "a list takes the place of the default");
});
