/** Two whole agents on embedded clusters: an app whose image only its origin can reach. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, suite, test } from "node:test";
import { deployments, remoteApps, secrets } from "../../src/kube/resources.ts";
import { decodeData, encodeData } from "../../src/kube/secret-data.ts";
import { applyPolicies, pair, run, startWorld, type World } from "../cli/world.ts";
import { startRegistry, type TestRegistry, user } from "./registry.ts";

const signal = (): AbortSignal => AbortSignal.timeout(60_000);
const door = "localhost:30500";

const appCalled = (name: string) => ({
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "RemoteApp",
  metadata: { name, namespace: "default" },
});

suite("an app whose image its origin brings along", () => {
  let world: World;
  let registry: TestRegistry;
  let manifest: string;
  const layer = randomBytes(300_000);

  before(async () => {
    registry = await startRegistry();
    registry.wants = "basic";
    manifest = registry.put("manifests", Buffer.from('{"schemaVersion":2}'), "1");
    registry.put("blobs", layer);
    world = await startWorld({ settings: { "images.registry": door, "images.port": "0", "images.host": "127.0.0.1" } });
    await pair(world, "apps");
    const { kube } = world.lisbon;
    const metadata = { namespace: "fairlead-system", name: "registry" };
    const data = encodeData(user);
    await kube.client.create(secrets, { metadata, type: "kubernetes.io/basic-auth", data }, signal());
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  const image = (tag = "1"): string => `${registry.host}/shop/web:${tag}`;

  async function share(more = ""): Promise<void> {
    await applyPolicies(
      world.lisbon,
      `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: accept-all }
spec:
  workloads: { accept: true }
  images: { registries: [{ registry: "${registry.host}", plainHttp: true, secret: registry${more} }] }
`,
    );
  }

  function lend(pullThrough: boolean, more = ""): Promise<string[]> {
    return applyPolicies(
      world.berlin,
      `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: accept-all }
spec: { workloads: { accept: true, pullThrough: ${pullThrough}, ${more} } }
`,
    );
  }

  async function deploy(name: string, spec: Record<string, unknown> = {}): Promise<void> {
    const whole = { peer: "berlin", image: image(), imagePull: "ThroughOrigin", ...spec };
    const parsed = remoteApps.parse(JSON.parse(JSON.stringify({ ...appCalled(name), spec: whole })));
    await world.lisbon.kube.client.apply(remoteApps, parsed, { fieldManager: "test", force: true }, signal());
  }

  async function statusOf(name: string) {
    const app = await world.lisbon.kube.client.get(remoteApps, { namespace: "default", name }, signal());
    return app?.status;
  }

  async function becomes(name: string, wanted: string): Promise<string> {
    const end = Date.now() + 60_000;
    for (;;) {
      const status = await statusOf(name);
      const now = `${status?.phase}/${status?.reason}`;
      if (now.includes(wanted)) return status?.message ?? "";
      if (Date.now() > end) throw new Error(`${name} is ${now}: ${status?.message}`);
    }
  }

  async function deploymentOf(name: string) {
    const { items } = await world.berlin.kube.client.list(deployments, { namespace: "fairlead-peer-lisbon" }, signal());
    return items.find(({ metadata }) => metadata.name?.startsWith(`${name}-`));
  }

  /** As a node does with the pod's pull secret. */
  async function pull(name: string, path: string): Promise<Response> {
    const pod = (await deploymentOf(name))?.spec?.template.spec;
    const called = pod?.imagePullSecrets?.[0]?.name ?? "";
    const ref = { namespace: "fairlead-peer-lisbon", name: called };
    const secret = await world.berlin.kube.client.get(secrets, ref, signal());
    assert.equal(secret?.type, "kubernetes.io/dockerconfigjson");
    const { auths } = JSON.parse(decodeData(secret, ".dockerconfigjson") ?? "");
    assert.deepEqual(Object.keys(auths), [door]);
    const headers = { authorization: `Basic ${auths[door].auth}` };
    return fetch(`http://127.0.0.1:${world.berlin.agent.ports.images}/v2/${path}`, { headers });
  }

  const pathTo = (kind: string, digest: string, repository = "shop/web"): string =>
    `lisbon/${registry.host.replace(":", "__")}/${repository}/${kind}/${digest}`;

  test("finds a host that says of itself that its nodes can pull it", async () => {
    const end = Date.now() + 60_000;
    for (let said = ""; !said.includes('"features": "leases,images"'); ) {
      said = (await run(world.lisbon, ["peer", "get", "berlin", "-o", "json"])).out;
      assert.ok(Date.now() < end, said);
    }
  });

  test("waits until the origin's policy shares the registry, and says so", async () => {
    await lend(true);
    await deploy("web");
    assert.match(await becomes("web", "Pending/ImageDenied"), /berlin may not have the image.*images\.registries/);
    assert.equal(registry.asked.length, 0);
    await share();
    await becomes("web", "Ready");
  });

  test("runs under a name by which nodes pull through the link, with the digest that its tag had", async () => {
    const status = await statusOf("web");
    assert.deepEqual(
      status?.images.map((one) => [one.image, one.digest]),
      [[image(), manifest]],
    );
    const pod = (await deploymentOf("web"))?.spec?.template.spec;
    const path = `lisbon/${registry.host.replace(":", "__")}/shop/web`;
    assert.equal(pod?.containers[0]?.image, `${door}/${path}@${manifest}`);
    assert.equal(await (await pull("web", pathTo("manifests", manifest))).text(), '{"schemaVersion":2}');
    const blob = await pull("web", pathTo("blobs", registry.put("blobs", layer)));
    assert.ok(Buffer.from(await blob.arrayBuffer()).equals(layer));
  });

  test("gives the host nothing of repositories that no app of its uses, whatever the policy shares", async () => {
    const other = await pull("web", pathTo("manifests", manifest, "shop/secret"));
    assert.equal(other.status, 403);
    assert.match(await other.text(), /images\/unused/);
  });

  test("keeps its digest while others push, and looks again for a restart", async () => {
    const next = registry.put("manifests", Buffer.from('{"schemaVersion":2,"next":true}'), "1");
    await deploy("web", { replicas: 2 });
    const end = Date.now() + 60_000;
    while ((await deploymentOf("web"))?.spec?.replicas !== 2) assert.ok(Date.now() < end, "it was not scaled");
    assert.ok((await deploymentOf("web"))?.spec?.template.spec?.containers[0]?.image?.endsWith(manifest));
    await deploy("web", { replicas: 2, restartedAt: "2026-11-21T12:00:00Z" });
    while (!(await deploymentOf("web"))?.spec?.template.spec?.containers[0]?.image?.endsWith(next)) {
      assert.ok(Date.now() < end, "the tag was not looked up again");
    }
    while ((await statusOf("web"))?.images[0]?.digest !== next)
      assert.ok(Date.now() < end, "the status tells of another");
  });

  test("brings the images of all its containers", async () => {
    registry.put("manifests", Buffer.from('{"schemaVersion":2,"tools":true}'), "tools");
    await deploy("many", { containers: [{ name: "proxy", image: image("tools") }] });
    await becomes("many", "Ready");
    const names = (await deploymentOf("many"))?.spec?.template.spec?.containers.map((one) => one.image ?? "");
    assert.equal(names?.length, 2);
    for (const name of names ?? []) assert.match(name, /^localhost:30500\/lisbon\/.*@sha256:[0-9a-f]{64}$/);
  });

  test("is asked about with the digest that its tag has, so that a host that wants one answers as it would", async () => {
    const check = (tag: string) => {
      const asked = { ...appCalled("asked"), spec: { peer: "berlin", image: image(tag), imagePull: "ThroughOrigin" } };
      return run(world.lisbon, ["app", "check", "-f", "a.yaml"], { files: { "a.yaml": JSON.stringify(asked) } });
    };
    await lend(true, "requireDigest: true");
    assert.match((await check("tools")).out, /Admitted/);
    const unknown = await check("nothing");
    assert.match(unknown.out + unknown.err, /ImageUnknown|has no .*shop\/web:nothing/);
    const written = await run(world.lisbon, ["app", "list", "-o", "name"]);
    assert.ok(!written.out.includes("asked"));
  });

  test("leaves no pull secret when its images come from elsewhere", async () => {
    const secretsThere = async (): Promise<string[]> => {
      const { items } = await world.berlin.kube.client.list(secrets, { namespace: "fairlead-peer-lisbon" }, signal());
      return items.flatMap(({ metadata }) => (/^many-.*-pull$/.test(metadata.name ?? "") ? [metadata.name ?? ""] : []));
    };
    assert.equal((await secretsThere()).length, 1);
    await lend(true);
    await deploy("many", { imagePull: "FromHost", image: "nginx:1.27" });
    const end = Date.now() + 60_000;
    while ((await secretsThere()).length > 0) assert.ok(Date.now() < end, "it is still there");
    const pod = (await deploymentOf("many"))?.spec?.template.spec;
    assert.equal(pod?.imagePullSecrets, undefined);
  });

  test("says what the registry says of an image that is not there, and comes when it is", async () => {
    await deploy("late", { image: image("late") });
    assert.match(await becomes("late", "Pending/ImageUnknown"), /has no .*shop\/web:late/);
    registry.put("manifests", Buffer.from('{"schemaVersion":2,"late":true}'), "late");
    await deploy("late", { image: image("late"), replicas: 2 });
    await becomes("late", "Ready");
  });

  test("is denied where the host's policy does not let it bring images", async () => {
    await lend(false);
    await deploy("denied");
    assert.match(await becomes("denied", "Denied"), /images\/pull-through|workloads\.pullThrough/);
    const refused = await pull("web", pathTo("manifests", manifest));
    assert.equal(refused.status, 403);
    await lend(true);
    await becomes("denied", "Ready");
  });

  test("writes each image into the records of the origin, and no credentials anywhere", async () => {
    const { out } = await run(world.lisbon, ["audit", "list", "--action", "image.pull", "-o", "json"]);
    assert.match(out, /"target": "image\/127\.0\.0\.1:\d+\/shop\/web@sha256:/);
    const told = [out, JSON.stringify(await statusOf("web")), JSON.stringify(await deploymentOf("web"))].join();
    assert.ok(!told.includes(user.password));
  });
});
