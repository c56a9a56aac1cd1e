import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../../src/config.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { peerPolicies } from "../../src/kube/resources.ts";
import { statePolicy } from "../../src/policy/stated.ts";
import { declarePolicies, readPolicies } from "../../src/standalone/declared-policies.ts";
import { readTargets, targetPolicies } from "../../src/standalone/targets.ts";

const read = (...targets: object[]) => readTargets(JSON.stringify(targets));

test("a target needs a name and a port; the rest is this machine, TCP, and nobody", () => {
  assert.deepEqual(read({ name: "db", port: 5432 }), [
    { name: "db", host: "127.0.0.1", ports: [5432], protocol: "TCP", peers: [] },
  ]);
  const wrong: [object, RegExp][] = [
    [{ port: 1 }, /needs a name/],
    [{ name: "Db", port: 1 }, /needs a name/],
    [{ name: "db" }, /ports must be/],
    [{ name: "db", port: 0 }, /ports must be/],
    [{ name: "db", ports: [1, 1] }, /ports must be/],
    [{ name: "db", port: 1, ports: [2] }, /either port or ports/],
    [{ name: "db", port: 1, protocol: "SCTP" }, /protocol must be/],
    [{ name: "db", port: 1, peers: "west" }, /peers must be/],
    [{ name: "db", port: 1, host: "a b" }, /host/],
    [{ name: "db", port: 1, peer: ["west"] }, /a field peer/],
  ];
  for (const [target, message] of wrong) assert.throws(() => read(target), message, JSON.stringify(target));
  assert.throws(() => read({ name: "db", port: 1 }, { name: "db", port: 2 }), /two called db/);
  assert.throws(() => readTargets("db"), /must be a list/);
});

test("the configuration's file takes the list as YAML has it, and says where it is wrong", () => {
  const load = (text: string) => loadConfig({ flags: {}, env: {}, file: { path: "a.yaml", text } }).config.standalone;
  const text = "standalone:\n  targets:\n    - {name: db, port: 5432, peers: [west]}\n";
  assert.deepEqual(load(text).targets, read({ name: "db", port: 5432, peers: ["west"] }));
  assert.throws(
    () => load("standalone:\n  targets:\n    - {name: db}\n"),
    /standalone\.targets: db: ports.*a\.yaml, line 3/s,
  );
});

test("each peer gets a policy of its own with all that it may reach, and all others what all may", () => {
  const policies = targetPolicies(
    read(
      { name: "db", port: 5432, peers: ["west", "east"] },
      { name: "web", host: "10.0.0.7", ports: [80, 443], protocol: "HTTPS", peers: ["*"] },
      { name: "spare", port: 1 },
      { name: "dns", port: 53, protocol: "UDP", peers: ["east"] },
    ),
  );
  const found = policies.map(({ name, spec }) => {
    const { fields, problems } = statePolicy(peerPolicies.parse({ metadata: { name }, spec }), { toItself: true });
    assert.deepEqual(problems, []);
    return [
      name,
      fields.addresses?.value.map((address) => `${address.name}/${address.protocol}/${address.appProtocol}`),
    ];
  });
  assert.deepEqual(found, [
    ["targets-of-all", ["web/TCP/https"]],
    ["targets-of-peer-east", ["db/TCP/undefined", "web/TCP/https", "dns/UDP/undefined"]],
    ["targets-of-peer-west", ["db/TCP/undefined", "web/TCP/https"]],
  ]);
});

test("loopback is listed only where the machine itself is what is offered", () => {
  const [policy] = targetPolicies(read({ name: "db", port: 1, peers: ["*"] }));
  const stated = peerPolicies.parse({ metadata: { name: "a" }, spec: policy?.spec ?? {} });
  assert.equal(statePolicy(stated, { toItself: true }).problems.length, 0);
  assert.equal(statePolicy(stated).problems.length, 1);
  const metadata = peerPolicies.parse({
    metadata: { name: "a" },
    spec: { tunnels: { addresses: [{ name: "m", host: "169.254.169.254", ports: [80] }] } },
  });
  assert.equal(statePolicy(metadata, { toItself: true }).problems.length, 1);
});

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const head = "apiVersion: fairlead.dev/v1alpha1\nkind: PeerPolicy\n";

test("policies are read from a file or all files of a folder, and anything else in them is refused", async (t) => {
  const path = await folder(t);
  await writeFile(join(path, "a.yaml"), `${head}metadata: {name: one}\nspec: {}\n---\n${head}metadata: {name: two}\n`);
  await writeFile(join(path, "b.txt"), "no policy");
  await mkdir(join(path, "c"));
  assert.deepEqual(
    (await readPolicies(path)).map(({ name }) => name),
    ["one", "two"],
  );
  assert.deepEqual(
    (await readPolicies(join(path, "a.yaml"))).map(({ name }) => name),
    ["one", "two"],
  );
  await writeFile(join(path, "d.yml"), "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n");
  await assert.rejects(readPolicies(path), /d\.yml, line 1: this is no PeerPolicy/);
});

test("what is declared is what is stored: made, changed when it differs, deleted; and nothing when part of it is wrong", async () => {
  const done: string[] = [];
  const stored = peerPolicies.parse({
    metadata: { name: "kept", resourceVersion: "1" },
    spec: { tunnels: { apps: true } },
  });
  const old = peerPolicies.parse({ metadata: { name: "old" }, spec: {} });
  const note = (verb: string) => async (_: unknown, of: { name?: string; metadata?: { name?: string } }) => {
    done.push(`${verb} ${of.name ?? of.metadata?.name}`);
    return undefined as never;
  };
  const client: Pick<KubeClient, "list" | "create" | "update" | "delete"> = {
    list: async () => ({ items: [stored, old] as never[], resourceVersion: "1" }),
    create: note("create"),
    update: note("update"),
    delete: note("delete"),
  };
  const { signal } = new AbortController();
  const same = { name: "kept", spec: { tunnels: { apps: true } } };
  await declarePolicies(client, "fairlead", [same, { name: "new", spec: {} }], signal);
  assert.deepEqual(done.splice(0), ["create new", "delete old"]);
  await declarePolicies(client, "fairlead", [{ ...same, spec: { tunnels: { apps: false } } }], signal);
  assert.deepEqual(done.splice(0), ["update kept", "delete old"]);
  const broken = { name: "broken", spec: { tunnels: { appz: true } } };
  await assert.rejects(
    declarePolicies(client, "fairlead", [same, broken], signal),
    /PeerPolicy broken: spec\.tunnels\.appz/,
  );
  await assert.rejects(declarePolicies(client, "fairlead", [same, same], signal), /two PeerPolicies called kept/);
  assert.deepEqual(done, []);
});
