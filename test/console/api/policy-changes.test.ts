/** PeerPolicies as an administrator writes them, by the API of an agent on an embedded cluster. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { create, fromJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { explainError } from "../../../src/client/explain.ts";
import { createPolicyChanges } from "../../../src/console/api/policy-changes.ts";
import {
  type PeerPolicySpec,
  PeerPolicySpecSchema,
  PeerPolicyStatusSchema,
} from "../../../src/gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import type { JsonObject } from "../../../src/kube/object.ts";
import { type PeerPolicy, peerPolicies } from "../../../src/kube/resources.ts";
import { patience, until } from "../../patience.ts";
import { type ApiWorld, startApi } from "./world.ts";

/** As in YAML. */
function specOf(json: JsonObject): PeerPolicySpec {
  return fromJson(PeerPolicySpecSchema, json);
}

suite("policies at the console", () => {
  let world: ApiWorld;
  before(async () => {
    world = await startApi();
  });
  after(() => world[Symbol.asyncDispose]());

  const policies = (): ApiWorld["town"]["client"]["policies"] => world.town.client.policies;
  const stored = async (name: string) => {
    const { namespace } = await world.town.client.agent.getInfo({});
    return world.town.kube.client.get(peerPolicies, { namespace, name }, patience());
  };
  const refused = (call: Promise<unknown>, code: Code, text: RegExp): Promise<void> =>
    assert.rejects(call, (error) => {
      const { code: said, rawMessage } = ConnectError.from(error);
      const namesFields = explainError(error).violations.length > 0;
      return said === code && text.test(rawMessage) && namesFields === (code === Code.InvalidArgument);
    });

  test("what it changes for peers is told, also when news of the write are here before its answer", async () => {
    const { namespace } = await world.town.client.agent.getInfo({});
    const { client } = world.town.kube;
    let heard: PeerPolicy[] = [];
    const changes = createPolicyChanges({
      kube: {
        ...client,
        async create(kind, object, signal) {
          const made = await client.create(kind, object, signal);
          heard = [peerPolicies.parse(JSON.parse(JSON.stringify({ ...object, metadata: made.metadata })))];
          return made;
        },
      },
      namespace,
      writtenElsewhere: undefined,
      policies: () => heard,
      peers: () => [{ name: "west", labels: {}, grants: ["apps"] }],
    });
    const spec = specOf({ workloads: { accept: true } });
    const draft = { name: "soon", spec, version: "", labels: {}, annotations: {}, dryRun: false };
    const { effects } = await changes.apply(draft, patience());
    assert.deepEqual(
      effects.map(({ peer, values }) => [peer, values.map(({ path }) => path)]),
      [["west", ["workloads.accept"]]],
    );
    const gone = await changes.delete({ name: "soon", version: "", dryRun: false }, patience());
    assert.equal(gone[0]?.peer, "west");
  });

  test("an agent that may only read policies says what to do", async () => {
    const { namespace } = await world.town.client.agent.getInfo({});
    const { client } = world.town.kube;
    const refuse = async () => {
      throw new KubeError({ status: 403, reason: "Forbidden", message: "peerpolicies is forbidden" });
    };
    const changes = createPolicyChanges({
      kube: { ...client, create: refuse, apply: refuse, mergePatch: refuse, delete: refuse },
      namespace,
      writtenElsewhere: undefined,
      policies: () => [],
      peers: () => [],
    });
    await policies().applyPolicy({ name: "stays", spec: {} });
    const draft = { spec: specOf({ workloads: { accept: true } }), labels: {}, annotations: {} };
    const { policy } = await policies().getPolicy({ name: "stays" });
    const version = policy?.version ?? "";
    for (const dryRun of [false, true]) {
      for (const [name, seen] of [
        ["new", ""],
        ["stays", version],
      ] as const) {
        const applied = changes.apply({ ...draft, name, version: seen, dryRun }, patience());
        await refused(applied, Code.FailedPrecondition, /kubectl, or .*rbac\.policies=true.*is forbidden/);
      }
    }
    for (const dryRun of [false, true]) {
      const deleted = changes.delete({ name: "stays", version, dryRun }, patience());
      await refused(deleted, Code.FailedPrecondition, /rbac\.policies/);
    }
    await policies().deletePolicy({ name: "stays" });
  });

  test("what the agent writes of a policy's status is no change of somebody else's", async () => {
    const { namespace } = await world.town.client.agent.getInfo({});
    const draft = { name: "busy", spec: { workloads: { accept: true } } };
    const { policy } = await policies().applyPolicy(draft);
    const before = policy?.version ?? "";
    const status = create(PeerPolicyStatusSchema, { peers: ["nobody"] });
    const told = { metadata: { namespace, name: "busy" }, status };
    await world.town.kube.client.applyStatus(peerPolicies, told, { force: true }, patience());
    const { policy: now } = await policies().getPolicy({ name: "busy" });
    assert.equal(now?.version, before);
    assert.notEqual(now.metadata?.resourceVersion, policy?.metadata?.resourceVersion);
    const { changed } = await policies().applyPolicy({ ...draft, spec: { workloads: {} }, version: before });
    assert.ok(changed);
    await refused(policies().deletePolicy({ name: "busy", version: before }), Code.Aborted, /changed by somebody else/);
    await policies().deletePolicy({ name: "busy" });
  });

  test("a policy is made, changed as it was read, and deleted", async () => {
    const spec = specOf({ peers: { names: ["west"] }, workloads: { accept: true, quota: { pods: "3" } } });
    const draft = { name: "west", spec, labels: { team: "a" }, annotations: { note: "mine" } };
    await policies().applyPolicy({ ...draft, dryRun: true });
    assert.equal(await stored("west"), undefined);
    const { policy, changed } = await policies().applyPolicy(draft);
    assert.ok(changed);
    assert.equal((await stored("west"))?.metadata.labels?.team, "a");
    await refused(policies().applyPolicy(draft), Code.AlreadyExists, /a PeerPolicy west already/);

    const { policy: read } = await policies().getPolicy({ name: "west" });
    const version = read?.version ?? "";
    assert.equal((await policies().applyPolicy({ ...draft, version })).changed, false);
    const other = { ...draft, spec: { workloads: { accept: true } }, labels: {}, version };
    assert.ok((await policies().applyPolicy({ ...other, dryRun: true })).changed);
    assert.equal((await stored("west"))?.metadata.labels?.team, "a");
    await policies().applyPolicy(other);
    const now = await stored("west");
    assert.deepEqual([now?.spec.peers, now?.spec.workloads?.quota, now?.metadata.labels], [undefined, {}, undefined]);
    assert.equal(now?.metadata.annotations?.note, "mine");
    assert.equal(now?.metadata.uid, policy?.metadata?.uid);
    await refused(policies().applyPolicy(other), Code.Aborted, /changed by somebody else/);

    await refused(policies().deletePolicy({ name: "west", version }), Code.Aborted, /changed by somebody else/);
    await policies().deletePolicy({ name: "west", dryRun: true });
    assert.ok(await stored("west"));
    await policies().deletePolicy({ name: "west" });
    assert.equal(await stored("west"), undefined);
    for (const call of [policies().getPolicy({ name: "west" }), policies().deletePolicy({ name: "west" })]) {
      await refused(call, Code.NotFound, /no PeerPolicy west/);
    }
  });

  test("what cannot be understood is refused before it is written, with what is wrong", async () => {
    const spec = specOf({ workloads: { quota: { pods: "many" } } });
    await refused(policies().applyPolicy({ name: "wrong", spec }), Code.InvalidArgument, /quota/);
    await refused(policies().applyPolicy({ name: "No Name", spec: {} }), Code.InvalidArgument, /name/);
    assert.equal(await stored("wrong"), undefined);
  });

  test("an app is tried against the policies there are, and against one that is not written yet", async () => {
    const spec = { image: "nginx:1.27" };
    const assumed = { labels: {}, grants: ["apps"] };
    const open = { workloads: { accept: true } };
    const tried = { peer: "west", assumed, spec };
    const alone = await policies().tryPolicy(tried);
    assert.equal(alone.verdict, "Denied");
    assert.ok(alone.findings.length > 0 && alone.message !== "");
    const { verdict, policies: selecting } = await policies().tryPolicy({
      ...tried,
      draft: { name: "open", spec: open },
    });
    assert.deepEqual([verdict, selecting], ["Admitted", ["open"]]);
    await policies().applyPolicy({ name: "open", spec: open });
    await until("the policy is known", async () => (await policies().tryPolicy(tried)).verdict === "Admitted");
    const held = { name: "open", spec: { workloads: { accept: true, approval: "Always" } } };
    assert.equal((await policies().tryPolicy({ ...tried, draft: held })).verdict, "Held");
    await refused(policies().tryPolicy({ peer: "nobody", spec }), Code.NotFound, /nobody/);
  });
});
