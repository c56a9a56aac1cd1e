/** How the chart lets people and peers' programs in: the console's port, and kubectl of peers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { type Manifest, type Rendered, render } from "./render.ts";

function settingsOf(rendered: Rendered): Manifest {
  return parse(rendered.get("ConfigMap", "fairlead").data["fairlead.yaml"]).console;
}

test("the console is outside where its Service says so, under its own certificate or one that was given", async () => {
  const values = { console: { url: "https://here.example:8443", service: { type: "NodePort", nodePort: 31800 } } };
  const own = await render(values);
  assert.deepEqual(own.get("Service", "fairlead").spec.ports[0].nodePort, 31800);
  assert.deepEqual([settingsOf(own).url, settingsOf(own).certFile], ["https://here.example:8443", undefined]);
  const given = await render({ console: { tlsSecret: "console-tls" } });
  const { certFile, keyFile } = settingsOf(given);
  assert.deepEqual([certFile, keyFile], ["/etc/fairlead-console/tls.crt", "/etc/fairlead-console/tls.key"]);
  const pod = given.get("Deployment", "fairlead").spec.template.spec;
  const volume = pod.volumes.find((one: Manifest) => one.secret?.secretName === "console-tls");
  const mount = pod.containers[0].volumeMounts.find((one: Manifest) => one.name === volume.name);
  assert.equal(mount.mountPath, "/etc/fairlead-console");
});

test("the agent speaks in the names of the peers that are listed, exactly, and in none of Kubernetes' own", async () => {
  const peers = [{ name: "partner", groups: ["viewers"] }, { name: "other" }];
  const rendered = await render({ kubernetes: { peers } });
  const impersonated = rendered.objects
    .filter(({ kind }) => kind === "ClusterRole" || kind === "Role")
    .flatMap(({ rules }) => rules)
    .filter((rule: Manifest) => rule.verbs.includes("impersonate") || rule.verbs.includes("*"));
  assert.deepEqual(
    impersonated.map((rule: Manifest) => [rule.resources, rule.resourceNames]),
    [
      [["users"], ["fairlead:peer:partner"]],
      [["groups"], ["fairlead:peers", "viewers"]],
      [["userextras/fairlead.dev/asserted-person"], undefined],
      [["users"], ["fairlead:peer:other"]],
      [["groups"], ["fairlead:peers"]],
      [["userextras/fairlead.dev/asserted-person"], undefined],
    ],
  );
  assert.deepEqual(rendered.get("ClusterRoleBinding", "fairlead-kubectl-other").subjects, [
    { kind: "ServiceAccount", name: "fairlead", namespace: "ship" },
  ]);
  const none = (await render()).objects.filter((object) => JSON.stringify(object).includes("impersonate"));
  assert.deepEqual(none, []);
  for (const groups of [["system:masters"], [""]]) {
    await assert.rejects(render({ kubernetes: { peers: [{ name: "partner", groups }] } }), /groups/, groups.join());
  }
  await assert.rejects(render({ kubernetes: { peers: [{ name: "*" }] } }), /name/);
});

test("the agent may make no role, and bind none but the one of peers' namespaces", async () => {
  const rendered = await render({ kubernetes: { peers: [{ name: "partner" }] } });
  const rules = rendered.objects.filter(({ kind }) => /^(Cluster)?Role$/.test(kind)).flatMap((role) => role.rules);
  const about = rules.filter((rule: Manifest) => rule.apiGroups.includes("rbac.authorization.k8s.io"));
  assert.deepEqual(
    about.map(({ resources, verbs, resourceNames }: Manifest) => [resources, verbs, resourceNames]),
    [
      [["rolebindings"], ["create", "patch"], undefined],
      [["clusterroles"], ["bind"], ["fairlead-tenant"]],
    ],
  );
});

test("whose tokens of Kubernetes open what is for the values to say, and without any the agent asks nobody whose they are", async () => {
  const roles = [{ user: "system:serviceaccount:ci:deployer", role: "operator", peers: ["berlin"] }];
  const rendered = await render({ console: { kubernetes: { roles } } });
  assert.deepEqual(settingsOf(rendered).kubernetes, { roles });
  const rules = rendered.get("ClusterRole", "fairlead-agent").rules;
  assert.deepEqual(
    rules.filter(({ apiGroups }: Manifest) => apiGroups.includes("authentication.k8s.io")),
    [{ apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] }],
  );
  const bare = await render();
  assert.doesNotMatch(JSON.stringify(bare.get("ClusterRole", "fairlead-agent")), /tokenreviews/);
  assert.equal(settingsOf(bare).kubernetes, undefined);
  for (const wrong of [{ role: "admin" }, { group: "a", role: "owner" }, { group: "a", user: "b", role: "viewer" }]) {
    await assert.rejects(render({ console: { kubernetes: { roles: [wrong] } } }));
  }
});

test("a provider of the values is the agent's, with the client's secret as a file", async () => {
  const roles = [{ group: "platform", role: "admin" }];
  const oidc = { issuer: "https://id.example.com", clientSecret: "oidc-client", caSecret: "oidc-ca", roles };
  const rendered = await render({
    console: { url: "https://fairlead.example.com", oidc },
    config: { console: { oidc: { scopes: "openid groups" } } },
  });
  const console = settingsOf(rendered);
  assert.equal(console.url, "https://fairlead.example.com");
  assert.deepEqual(console.oidc, {
    issuer: "https://id.example.com",
    clientId: "fairlead",
    caFile: "/etc/fairlead-oidc-ca/ca.crt",
    clientSecretFile: "/etc/fairlead-oidc/client-secret",
    roles,
    scopes: "openid groups",
  });
  const { spec } = rendered.get("Deployment", "fairlead").spec.template;
  const secretOf = (volume: string) => spec.volumes.find(({ name }: Manifest) => name === volume).secret;
  assert.deepEqual(secretOf("oidc-client"), { secretName: "oidc-client" });
  assert.deepEqual(secretOf("oidc-ca"), { secretName: "oidc-ca" });
  const [agent] = spec.containers;
  const mount = agent.volumeMounts.find(({ name }: Manifest) => name === "oidc-client");
  assert.deepEqual([mount.mountPath, mount.readOnly], ["/etc/fairlead-oidc", true]);
  assert.equal(settingsOf(await render()).oidc, undefined);
});
