import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { isJsonObject } from "../../src/kube/object.ts";
import { createTenantRights } from "../../src/workloads/host/tenant-rights.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { never } from "../wire/pair.ts";

/** An API server that grants after so many questions, and knows who asks. */
function apiServer(username: string, grantsAtQuestion: number) {
  const bindings: unknown[] = [];
  let questions = 0;
  const client: Pick<KubeClient, "create" | "apply"> = {
    async create(kind, object) {
      if (kind.kind === "SelfSubjectReview") return kind.parse({ metadata: {}, status: { userInfo: { username } } });
      assert.equal(kind.kind, "SelfSubjectAccessReview");
      assert.ok(isJsonObject(kind.format(object)));
      questions += 1;
      return kind.parse({ metadata: {}, status: { allowed: questions >= grantsAtQuestion, reason: "no RBAC policy" } });
    },
    async apply(kind, object) {
      bindings.push(kind.format(object));
      return kind.parse(kind.format(object));
    },
  };
  return { client, bindings, questions: () => questions };
}

test("the agent binds the tenant role to its own service account, and waits until it is in force", async () => {
  const server = apiServer("system:serviceaccount:fairlead-system:fairlead", 3);
  const clock = createFakeClock();
  const rights = createTenantRights({ client: server.client, role: "fairlead-tenant", clock });
  const ensured = rights.ensure("fairlead-peer-tokyo", never);
  await clock.advance(200);
  assert.equal(await ensured, undefined);
  assert.equal(server.questions(), 3);
  assert.deepEqual(server.bindings, [
    {
      metadata: {
        name: "fairlead-tenant",
        namespace: "fairlead-peer-tokyo",
        labels: { "app.kubernetes.io/managed-by": "fairlead" },
      },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "fairlead-tenant" },
      subjects: [{ kind: "ServiceAccount", name: "fairlead", namespace: "fairlead-system" }],
    },
  ]);
});

test("rights that do not come to be are told with the API server's reason", async () => {
  const server = apiServer("system:serviceaccount:fairlead-system:fairlead", Number.POSITIVE_INFINITY);
  const clock = createFakeClock();
  const rights = createTenantRights({ client: server.client, role: "fairlead-tenant", clock });
  const ensured = rights.ensure("fairlead-peer-tokyo", never);
  await clock.advance(11_000);
  assert.match((await ensured) ?? "", /fairlead-tenant does not give .* in fairlead-peer-tokyo: no RBAC policy/);
});

test("an agent with an administrator's kubeconfig binds nothing, and one with a role binds it to its user", async () => {
  const server = apiServer("anna", 1);
  const clock = createFakeClock();
  assert.equal(
    await createTenantRights({ client: server.client, role: undefined, clock }).ensure("x", never),
    undefined,
  );
  assert.equal(server.bindings.length, 0);
  await createTenantRights({ client: server.client, role: "fairlead-tenant", clock }).ensure("x", never);
  const [binding] = server.bindings;
  assert.ok(isJsonObject(binding));
  assert.deepEqual(binding.subjects, [{ kind: "User", name: "anna", apiGroup: "rbac.authorization.k8s.io" }]);
});
