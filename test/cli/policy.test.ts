/** What peers may do here, by command line, and what is said to who has no policy. */
import assert from "node:assert/strict";
import { beforeEach, suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { exitCode } from "../../src/cli/errors.ts";
import { policyAdvice } from "../../src/cli/policy-advice.ts";
import { PeerPolicyStatusSchema } from "../../src/gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import { type Offices, openOffices, readPolicies } from "./offices.ts";

const west = { name: "west", labels: { tier: "a" }, grants: ["apps"] };

const forAll = `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: all, namespace: fairlead-system, creationTimestamp: "2026-01-01T00:00:00Z" }
spec: { workloads: { accept: true, maxApps: 5 } }
`;
const forWest = `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: of-west, namespace: fairlead-system, creationTimestamp: "2026-01-02T00:00:00Z" }
spec: { peers: { names: [west] }, workloads: { maxApps: 2, approval: Always } }
`;

suite("fairlead policy", () => {
  let offices: Offices;
  beforeEach(() => {
    offices = openOffices();
    offices.peers = [west];
  });

  const explain = (...args: string[]): ReturnType<Offices["run"]> =>
    offices.run(["policy", "explain", "west", ...args]);

  test("list and get show what there is, and say what is missing", async () => {
    assert.match(
      (await offices.run(["policy", "list"])).err,
      /No PeerPolicies in the agent.s namespace.*nothing of any peer runs here/,
    );
    offices.policies = readPolicies(`${forAll}---${forWest}`);
    const { out } = await offices.run(["policy", "list"]);
    assert.match(out, /^NAME +PEERS +ACCEPT +APPROVAL +VALID +AGE\nall +\(all\) +true +<none> +/);
    assert.match(out, /\nof-west +west +<none> +Always +/);
    const got = await offices.run(["policy", "get", "of-west", "-o", "json"]);
    assert.deepEqual(JSON.parse(got.out).spec.peers, { names: ["west"] });
    const none = await offices.run(["policy", "get", "nothing"]);
    assert.equal(none.code, exitCode.notFound);
    assert.match(none.err, /there is no PeerPolicy nothing\n.*fairlead policy list/);
  });

  test("explain begins with whether anything may run, and tells where each value came from", async () => {
    offices.policies = readPolicies(`${forAll}---${forWest}`);
    const { out, err } = await explain();
    assert.match(out, /^west may run apps here; a person here must approve each app and each change of one\.\n/);
    assert.match(out, /\n {2}Grants +apps\n {2}Labels +tier=a\n {2}Policies +of-west, all\n/);
    assert.match(out, /\nFIELD +VALUE +FROM\n/);
    assert.match(out, /\nworkloads\.accept +true +all\n/);
    assert.match(out, /\nworkloads\.maxApps +2 +of-west\n/);
    assert.match(out, /\nworkloads\.requireDigest +false +\(default\)\n/);
    assert.equal(err, "");
    assert.match((await explain("-o", "wide")).out, /\nworkloads\.maxApps +2 +of-west +all: 5\n/);
  });

  test("explain -o json has values as JSON", async () => {
    offices.policies = readPolicies(`${forAll}---${forWest}`);
    const json = JSON.parse((await explain("-o", "json")).out);
    assert.equal(json.accepts, true);
    const field = (path: string): unknown => json.values.find((value: { path: string }) => value.path === path);
    assert.deepEqual(field("workloads.maxApps"), {
      path: "workloads.maxApps",
      value: 2,
      policy: "of-west",
      overruled: [{ policy: "all", value: 5 }],
    });
    assert.deepEqual(field("workloads.maxReplicas"), {
      path: "workloads.maxReplicas",
      value: null,
      policy: "",
      overruled: [],
    });
  });

  test("without a policy explain says that nothing runs, and prints one that can be applied as it stands", async () => {
    const { code, out, err } = await explain();
    assert.equal(code, 0);
    assert.match(out, /^Nothing of west may run here: no PeerPolicy is about it \(/);
    const yaml = /<<'EOF'\n([\s\S]*)EOF\n/.exec(err)?.[1] ?? "";
    offices.policies = readPolicies(yaml);
    assert.match((await explain()).out, /^west may run apps here\.\n/);
  });

  test("explain says in its first sentence that a person is asked about what is large", async () => {
    offices.policies = readPolicies(forAll.replace("maxApps: 5", "approvalAbove: { pods: 4 }"));
    const { out } = await explain();
    assert.match(
      out,
      /^west may run apps here; a person here must approve what asks for more than workloads\.approvalAbove\.\n/,
    );
  });

  test("a policy that says no is named, and no other is offered beside it", async () => {
    offices.policies = readPolicies(forWest.replace("maxApps: 2", "accept: false"));
    const { out, err } = await explain();
    assert.match(out, /^Nothing of west may run here: PeerPolicy of-west says `workloads: \{ accept: false \}`\.\n/);
    assert.match(err, /\nkubectl -n fairlead-system edit peerpolicy of-west\n/);
  });

  test("who lacks the grant hears that too", async () => {
    offices.peers = [{ ...west, grants: [] }];
    assert.match(
      (await explain()).out,
      /it has no grant "apps" \(fairlead peer grant west apps --add\), and no PeerPolicy/,
    );
    offices.policies = readPolicies(forAll);
    const { out, err } = await explain();
    assert.match(
      out,
      /^Nothing of west may run here: it has no grant "apps" \(fairlead peer grant west apps --add\)\.\n/,
    );
    assert.equal(err, "");
  });

  test("a policy that cannot be understood is told first", async () => {
    offices.policies = readPolicies(forAll.replace("maxApps: 5", "maxApples: 5"));
    const [broken] = offices.policies;
    const valid = { type: "Valid", status: "False", reason: "NotUnderstood", message: "", lastTransitionTime: "" };
    if (broken) broken.status = create(PeerPolicyStatusSchema, { conditions: [valid] });
    const { out, err } = await explain();
    assert.match(err, /\nkubectl -n fairlead-system edit peerpolicy all\n$/);
    assert.match(out, /^Nothing of west may run here or be reached: a policy about it cannot be understood.*maxApples/);
  });

  test("a peer that is not there ends with 3", async () => {
    const { code, err } = await offices.run(["policy", "explain", "nobody"]);
    assert.equal(code, exitCode.notFound);
    assert.match(err, /nobody.*fairlead peer list/);
  });

  test("a peer that is not there yet can be explained by the labels that it will have", async () => {
    offices.policies = readPolicies(forWest.replace("names: [west]", "matchLabels: { team: web }"));
    const { policies } = offices.connection().client;
    const assumed = { labels: { team: "web" }, grants: ["apps"] };
    const explained = await policies.explainPolicy({ peer: "porto", assumed });
    assert.deepEqual(explained.policies, ["of-west"]);
    await assert.rejects(policies.explainPolicy({ peer: "porto" }), /no peer/);
  });

  test("grants that end say when", async () => {
    offices.policies = readPolicies(forAll);
    offices.peers = [{ ...west, grantsUntil: { apps: Date.now() + 8 * 3_600_000 } }];
    assert.match((await explain()).out, /Grants +apps \((8h|7h59m) left\)/);
  });
});

suite("the policy that is offered", () => {
  test("takes no name that is taken, and goes to the cluster that the command talked to", () => {
    const text = policyAdvice("west", {
      namespace: "fl",
      taken: ["west"],
      kubectl: { context: "my east", kubeconfig: "/tmp/kc" },
    });
    assert.match(text, /^kubectl --kubeconfig \/tmp\/kc --context 'my east' apply -f - <<'EOF'\n/);
    assert.match(text, /name: west-apps, namespace: fl /);
  });

  test("is about all peers when nobody knows the name yet", () => {
    const text = policyAdvice(undefined, { namespace: "fl", taken: [], kubectl: {} });
    assert.equal(readPolicies(/EOF'\n([\s\S]*)EOF/.exec(text)?.[1] ?? "")[0]?.spec.peers, undefined);
  });
});
