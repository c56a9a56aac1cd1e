/** What the chart lets the agent do, and where. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Manifest, render, type Values } from "./render.ts";

test("cluster-wide the agent has no right to Secrets, Deployments, Pods, Services or ConfigMaps, and binds one role", async () => {
  const rendered = await render();
  const { rules } = rendered.get("ClusterRole", "fairlead-agent");
  const granted = rules.flatMap((rule: Manifest) => rule.resources);
  for (const resource of ["*", "secrets", "deployments", "pods", "services", "configmaps", "pods/exec"]) {
    assert.ok(!granted.includes(resource), resource);
  }
  assert.ok(rules.every((rule: Manifest) => !rule.verbs.includes("*") && !rule.verbs.includes("escalate")));
  const binds = rules.filter((rule: Manifest) => rule.verbs.includes("bind"));
  assert.deepEqual(
    binds.map((rule: Manifest) => [rule.resources, rule.resourceNames]),
    [[["clusterroles"], ["fairlead-tenant"]]],
  );
  assert.ok(rules.every((rule: Manifest) => !rule.verbs.includes("impersonate")));
  const tenant = rendered.get("ClusterRole", "fairlead-tenant").rules;
  const brought = tenant.find((rule: Manifest) => rule.resources.includes("secrets"));
  assert.deepEqual(
    [...brought.verbs].sort(),
    ["create", "delete", "list", "patch", "watch"],
    "only what apps bring along",
  );
  const shared = rendered.objects.filter(({ metadata }) => metadata.name === "fairlead-shared");
  assert.deepEqual(shared, [], "no namespace shares anything unless its name is given");
});

test("a namespace shares what the values name of it, by name or all of a kind, and nothing else", async () => {
  const namespaces = [
    { name: "shop", secrets: ["db", "pull"], configMaps: ["*"] },
    { name: "bank", configMaps: ["site"] },
  ];
  const { objects } = await render({ shared: { namespaces } });
  const roles = objects.filter(({ kind, metadata }) => kind === "Role" && metadata.name === "fairlead-shared");
  const rules = Object.fromEntries(roles.map(({ metadata, rules }: Manifest) => [metadata.namespace, rules]));
  const verbs = ["list", "watch"];
  assert.deepEqual(rules, {
    shop: [
      { apiGroups: [""], resources: ["configmaps"], verbs },
      { apiGroups: [""], resources: ["secrets"], resourceNames: ["db", "pull"], verbs },
    ],
    bank: [{ apiGroups: [""], resources: ["configmaps"], resourceNames: ["site"], verbs }],
  });
  const bindings = objects.filter(
    ({ kind, metadata }) => kind === "RoleBinding" && metadata.name === "fairlead-shared",
  );
  assert.deepEqual(
    bindings.map(({ metadata, subjects }: Manifest) => [metadata.namespace, subjects[0].namespace, subjects[0].name]),
    [
      ["shop", "ship", "fairlead"],
      ["bank", "ship", "fairlead"],
    ],
  );
});

test("in peers' namespaces the agent writes what the cluster enforces, and in no other", async () => {
  const rendered = await render();
  const granting = (kind: string, name: string, resource: string): string[] =>
    rendered
      .get(kind, name)
      .rules.filter((rule: Manifest) => rule.resources.includes(resource))
      .flatMap((rule: Manifest) => rule.verbs);
  for (const resource of ["resourcequotas", "limitranges", "networkpolicies"]) {
    assert.deepEqual(granting("ClusterRole", "fairlead-agent", resource), [], resource);
    const verbs = granting("ClusterRole", "fairlead-tenant", resource);
    for (const verb of ["list", "watch", "create", "patch"]) assert.ok(verbs.includes(verb), `${resource} ${verb}`);
  }
});

test("Services are looked at where the values or a policy of theirs say so, and nowhere else", async () => {
  const none = (await render()).objects.filter(({ metadata }) => metadata.name === "fairlead-reached");
  assert.deepEqual(none, []);
  const opens = (...namespaces: string[]) => ({
    tunnels: { services: namespaces.map((namespace) => ({ namespace })) },
  });
  const policies = [
    { name: "all", spec: { workloads: { accept: true } } },
    { name: "west", spec: opens("shop", "data") },
    { name: "east", spec: opens("shop") },
  ];
  const { objects } = await render({ tunnels: { namespaces: ["extra", "data"] }, policies });
  const reached = objects.filter(({ metadata }) => metadata.name === "fairlead-reached");
  const roles = reached.filter(({ kind }) => kind === "Role");
  assert.deepEqual(roles.map(({ metadata }: Manifest) => metadata.namespace).sort(), ["data", "extra", "shop"]);
  for (const { rules } of roles) {
    assert.deepEqual(rules, [
      { apiGroups: [""], resources: ["services"], verbs: ["get", "list"] },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list"] },
    ]);
  }
  const bindings = reached.filter(({ kind }) => kind === "RoleBinding");
  assert.deepEqual(bindings.map(({ metadata }: Manifest) => metadata.namespace).sort(), ["data", "extra", "shop"]);
  for (const { subjects, roleRef } of bindings) {
    assert.deepEqual([subjects[0].namespace, subjects[0].name, roleRef.name], ["ship", "fairlead", "fairlead-reached"]);
  }
});

test("Services of Forwards are made where the values say so, and an admission policy confines them to the agent's pod", async () => {
  const plain = await render();
  assert.deepEqual(
    plain.objects.filter(({ metadata }) => metadata.name === "fairlead-forwards"),
    [],
  );
  const rendered = await render({ forwards: { namespaces: ["shop"], ports: "30000-30009" } });
  const role = rendered.get("Role", "fairlead-forwards");
  assert.equal(role.metadata.namespace, "shop");
  const verbs = ["get", "create", "update", "delete"];
  assert.deepEqual(role.rules, [
    { apiGroups: ["fairlead.dev"], resources: ["forwards"], verbs: ["create", "patch", "delete"] },
    { apiGroups: [""], resources: ["services"], verbs },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs },
  ]);
  assert.equal(rendered.get("RoleBinding", "fairlead-forwards").subjects[0].namespace, "ship");
  const policy = JSON.stringify(rendered.get("ValidatingAdmissionPolicy", "fairlead-agent-forwards").spec);
  assert.match(policy, /each\.port >= 30000 && each\.port <= 30009/);
  assert.match(policy, /targetRef\.namespace == 'ship'/);
  rendered.get("ValidatingAdmissionPolicyBinding", "fairlead-agent-forwards");
  assert.match(rendered.get("ConfigMap", "fairlead").data["fairlead.yaml"], /ports: 30000-30009/);
});

test("kubelets are read where the values or a policy of theirs say so, in the name of an account that can do nothing else", async () => {
  const ofNodes = ({ metadata }: Manifest): boolean => /^fairlead-(agent-)?nodes$/.test(metadata.name);
  assert.deepEqual((await render()).objects.filter(ofNodes), []);
  const policies = [{ name: "west", spec: { tunnels: { nodes: [{ names: ["worker-*"] }] } } }];
  for (const rendered of [await render({ tunnels: { nodes: true } }), await render({ policies })]) {
    const { objects } = rendered;
    assert.equal(rendered.get("ServiceAccount", "fairlead-nodes").automountServiceAccountToken, false);
    const granted = objects
      .filter(({ kind }) => /Role$/.test(kind))
      .filter(ofNodes)
      .map(({ kind, metadata, rules }: Manifest) => [`${kind} ${metadata.name}`, rules]);
    const core = { apiGroups: [""] };
    assert.deepEqual(Object.fromEntries(granted), {
      "ClusterRole fairlead-nodes": [
        { ...core, resources: ["nodes/metrics", "nodes/stats", "nodes/healthz"], verbs: ["get"] },
      ],
      "ClusterRole fairlead-agent-nodes": [{ ...core, resources: ["nodes"], verbs: ["get", "list"] }],
      "Role fairlead-agent-nodes": [
        { ...core, resources: ["serviceaccounts/token"], resourceNames: ["fairlead-nodes"], verbs: ["create"] },
      ],
    });
    const bound = objects.filter(({ kind }) => /Binding$/.test(kind)).filter(ofNodes);
    assert.deepEqual(
      bound.map(
        ({ kind, roleRef, subjects }: Manifest) =>
          `${kind} ${roleRef.name} to ${subjects[0].namespace}/${subjects[0].name}`,
      ),
      [
        "ClusterRoleBinding fairlead-nodes to ship/fairlead-nodes",
        "ClusterRoleBinding fairlead-agent-nodes to ship/fairlead",
        "RoleBinding fairlead-agent-nodes to ship/fairlead",
      ],
    );
    assert.doesNotMatch(JSON.stringify(objects), /nodes\/(proxy|log|pods|configz|checkpoint)/);
  }
});

test("routes are looked at in the namespaces that the values or a policy of theirs name for that, with the Services behind", async () => {
  const routes = [{ namespaces: ["shop", "web"], hosts: ["*.example.org"] }];
  const policies = [{ name: "west", spec: { tunnels: { services: [{ namespace: "data" }], routes } } }];
  const { objects } = await render({ tunnels: { routes: ["extra"] }, policies });
  const roles = objects.filter(({ kind, metadata }) => kind === "Role" && metadata.name === "fairlead-reached");
  const granted = roles.map(({ metadata, rules }: Manifest) => {
    return [metadata.namespace, rules.flatMap(({ resources }: Manifest) => resources).join(" ")];
  });
  const all = "services endpointslices ingresses httproutes tlsroutes tcproutes";
  assert.deepEqual(Object.fromEntries(granted), {
    data: "services endpointslices",
    extra: all,
    shop: all,
    web: all,
  });
  const rules = roles.flatMap((role: Manifest) => role.rules);
  assert.ok(rules.every(({ verbs }: Manifest) => verbs.every((verb: string) => ["get", "list"].includes(verb))));
});

test("policies can be left to those who may write them in the cluster: then the agent only reads them", async () => {
  const verbs = async (values: Values) => {
    const { rules } = (await render(values)).get("Role", "fairlead-agent");
    return rules.find((rule: Manifest) => rule.resources.includes("peerpolicies")).verbs;
  };
  assert.deepEqual(await verbs({}), ["get", "list", "watch", "create", "patch", "delete"]);
  assert.deepEqual(await verbs({ rbac: { policies: false } }), ["get", "list", "watch"]);
});

test("Forwards can be left to those who may write them in the cluster: then the agent only makes their Services", async () => {
  const granted = async (values: Values) => {
    const { rules } = (await render({ forwards: { namespaces: ["shop"] }, ...values })).get(
      "Role",
      "fairlead-forwards",
    );
    return rules.flatMap(({ resources, verbs }: Manifest) => `${resources}: ${verbs.join(" ")}`);
  };
  const ofServices = ["services: get create update delete", "endpointslices: get create update delete"];
  assert.deepEqual(await granted({}), ["forwards: create patch delete", ...ofServices]);
  assert.deepEqual(await granted({ rbac: { forwards: false } }), ofServices);
});
