import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "./api.ts";
import type { Context } from "./suite.ts";

export function discoveryTests(t: Context): void {
  test("health and version answer", async () => {
    assert.equal((await t.api.ask("GET", "/healthz")).body, "ok");
    const { body } = await t.api.ask("GET", "/version");
    assert.equal(body.major, "1");
    assert.match(body.gitVersion, /^v1\.\d+/);
  });

  test("discovery names what is served, with short names, scope and verbs", async () => {
    assert.ok((await t.api.ask("GET", "/api")).body.versions.includes("v1"));
    const groups = (await t.api.ask("GET", "/apis")).body.groups.map((group: Json) => group.name);
    for (const group of [
      "apps",
      "coordination.k8s.io",
      "events.k8s.io",
      "rbac.authorization.k8s.io",
      "networking.k8s.io",
    ])
      assert.ok(groups.includes(group), group);
    const core = (await t.api.ask("GET", "/api/v1")).body;
    assert.equal(core.kind, "APIResourceList");
    const pods = core.resources.find((resource: Json) => resource.name === "pods");
    assert.equal(pods.namespaced, true);
    assert.ok(pods.shortNames.includes("po"));
    for (const verb of ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"])
      assert.ok(pods.verbs.includes(verb));
    const names = core.resources.map((resource: Json) => resource.name);
    for (const name of ["pods/log", "pods/exec", "pods/portforward", "pods/status", "namespaces/status"])
      assert.ok(names.includes(name), name);
    const apps = (await t.api.ask("GET", "/apis/apps/v1")).body.resources;
    assert.equal(apps.find((resource: Json) => resource.name === "deployments/scale").kind, "Scale");
  });

  test("an unknown resource and an unknown group are 404", async () => {
    for (const path of [
      "/api/v1/nonsense",
      "/apis/nonsense.example/v1",
      `/api/v1/namespaces/${t.namespace}/nonsense`,
    ]) {
      assert.equal((await t.api.ask("GET", path)).status, 404, path);
    }
  });

  test("an unknown token is 401 with a Status", async () => {
    const { status, body } = await t.api.ask("GET", "/api/v1/namespaces", { token: "nobody" });
    assert.equal(status, 401);
    assert.equal(body.reason, "Unauthorized");
  });

  test("a TokenReview tells a good token from a bad one and minds the audience", async () => {
    const review = async (spec: object): Promise<Json> => {
      const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec };
      const answer = await t.api.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", { body });
      assert.equal(answer.status, 201);
      return answer.body.status;
    };
    const token = await t.setting.token(t.api, t.namespace);
    const good = await review({ token });
    assert.equal(good.authenticated, true);
    assert.ok(good.user.username);
    assert.ok(good.user.groups.includes("system:authenticated"));
    assert.notEqual((await review({ token: "nobody" })).authenticated, true);
    assert.notEqual((await review({ token, audiences: ["fairlead.dev"] })).authenticated, true);
    const ours = await t.setting.token(t.api, t.namespace, "fairlead.dev");
    const known = await review({ token: ours, audiences: ["fairlead.dev", "another"] });
    assert.deepEqual([known.authenticated, known.audiences], [true, ["fairlead.dev"]]);
    assert.match(known.user.username, /^system:serviceaccount:/);
    assert.notEqual((await review({ token: ours })).authenticated, true, "it opens nothing at the API server");
    assert.equal((await t.api.ask("GET", "/api/v1/namespaces", { token: ours })).status, 401);
  });

  test("access reviews answer for oneself and for others", async () => {
    const root = "/apis/authorization.k8s.io/v1";
    const resourceAttributes = { namespace: t.namespace, verb: "create", resource: "configmaps" };
    const self = await t.api.ask("POST", `${root}/selfsubjectaccessreviews`, {
      body: { spec: { resourceAttributes } },
    });
    assert.equal(self.status, 201);
    assert.equal(self.body.status.allowed, true);
    const other = await t.api.ask("POST", `${root}/subjectaccessreviews`, {
      body: { spec: { user: "nobody-at-all", resourceAttributes } },
    });
    assert.equal(other.body.status.allowed, false);
  });
}
