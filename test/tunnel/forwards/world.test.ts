/** Forwards of whole agents, on embedded clusters: a client connects as a pod does that goes by the Service. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, suite, test } from "node:test";
import { events, forwards, services } from "../../../src/kube/resources.ts";
import { acceptAll, applyPolicies, pair, run, startWorld, type World } from "../../cli/world.ts";
import {
  applyForward,
  ask,
  broken,
  conditionOf,
  connectTo,
  eventually,
  makeNamespace,
  makePage,
  patience,
  readForward,
  readService,
  settled,
  slicesOf,
} from "./cluster.ts";

const page = { peer: "berlin", target: "service/data/page", ports: [{ name: "web", port: 8080, targetPort: 80 }] };
const opened = acceptAll.replace("{ accept: true }", "{ accept: true }, tunnels: { services: [{ namespace: data }] }");

/** Of loopback, those that somebody listens on, also to reset who comes. */
async function openPorts(first: number, last: number): Promise<number[]> {
  const open: number[] = [];
  for (let port = first; port <= last; port += 1) {
    const socket = connect(port, "127.0.0.1");
    const refused = await once(socket, "connect").then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === "ECONNREFUSED",
    );
    if (!refused) open.push(port);
    socket.destroy();
  }
  return open;
}

suite("Forwards", () => {
  let world: World;
  before(async () => {
    const settings = { "forwards.address": "127.0.0.1", "forwards.ports": "21000-21999" };
    world = await startWorld({ processes: true, settings });
    await pair(world, "apps,tunnels");
    await makeNamespace(world.berlin, "data");
    await makePage(world.berlin, "data");
    await makeNamespace(world.lisbon, "shop");
    await applyPolicies(world.berlin, opened);
  });
  after(() => world[Symbol.asyncDispose]());

  async function reaches(key: string, port: number): Promise<void> {
    await eventually(
      `${key}:${port} answers`,
      () => ask(world.lisbon, key, port),
      (status) => status === 200,
    );
  }

  async function remove(key: string): Promise<void> {
    const [namespace, name = ""] = key.split("/");
    await world.lisbon.kube.client.delete(forwards, { namespace, name }, {}, patience());
    await eventually(
      `${key} has no Service`,
      () => readService(world.lisbon, key),
      (found) => found === undefined,
    );
    await eventually(
      `${key} has no endpoints`,
      () => slicesOf(world.lisbon, key),
      (found) => found.length === 0,
    );
  }

  test("a Service here is a port over there, says so in its status and an Event, and goes with the Forward", async () => {
    const { lisbon } = world;
    await applyForward(lisbon, "shop/page", page);
    const ready = await settled(lisbon, "shop/page", "Ready");
    const service = await readService(lisbon, "shop/page");
    assert.equal(ready.status?.service, "page");
    assert.equal(ready.status?.clusterIp, service?.spec?.clusterIP);
    assert.equal(service?.metadata.ownerReferences?.[0]?.uid, ready.metadata.uid);
    await reaches("shop/page", 8080);
    const reached = await eventually(
      "the status says that it was reached",
      () => readForward(lisbon, "shop/page"),
      (forward) => conditionOf(forward, "Reached")?.status === "True",
    );
    assert.deepEqual(
      reached?.status?.conditions.map(({ type, status }) => [type, status]),
      [
        ["Accepted", "True"],
        ["Ready", "True"],
        ["Reached", "True"],
      ],
    );
    await eventually(
      "an Event says so",
      async () => (await lisbon.kube.client.list(events, { namespace: "shop" }, patience())).items,
      (items) => items.some(({ reason, regarding }) => reason === "Ready" && regarding?.name === "page"),
    );
    const metrics = await (await fetch(`http://127.0.0.1:${lisbon.agent.ports.telemetry}/metrics`)).text();
    assert.match(
      metrics,
      /fairlead_forward_opens_total\{namespace="shop",forward="page",peer="berlin",verdict="taken"\} \d/,
    );
    assert.match(
      metrics,
      /fairlead_forward_bytes_total\{namespace="shop",forward="page",peer="berlin",way="in"\} \d{2}/,
    );
    const audited = await run(lisbon, ["audit", "list", "--action", "tunnel.open", "-o", "json"]);
    assert.match(audited.out + audited.err, /"person": ?"forward shop\/page"/);

    const open = await connectTo(lisbon, "shop/page", 8080);
    assert.equal(open.destroyed, false);
    await eventually(
      "the list says that it is open",
      () => run(lisbon, ["forward", "list", "berlin"]),
      ({ out }) =>
        /^shop +page +Forward +berlin +service\/data\/page +page +8080:80\/TCP +Ready +<none> +1 /m.test(out),
    );
    await remove("shop/page");
    assert.match(await broken(open), /ECONNRESET/, "who is connected when it goes is reset");
  });

  test("what somebody else called so is left alone, and the status says what to do", async () => {
    const { lisbon } = world;
    const theirs = {
      metadata: { namespace: "shop", name: "theirs" },
      spec: { ports: [{ port: 80 }], selector: { a: "b" } },
    };
    const { spec } = await lisbon.kube.client.create(services, theirs, patience());
    await applyForward(lisbon, "shop/theirs", page);
    const waiting = await settled(lisbon, "shop/theirs", "Waiting", "NameTaken");
    assert.match(waiting.status?.message ?? "", /a Service theirs in shop already .* call the Forward otherwise/);
    await eventually(
      "nothing is listened on for it, which others could reach as well",
      () => openPorts(21_000, 21_999),
      (ports) => ports.length === 0,
    );
    assert.deepEqual((await readService(lisbon, "shop/theirs"))?.spec, spec);
    assert.deepEqual(
      (await slicesOf(lisbon, "shop/theirs")).filter(({ metadata }) => metadata.labels?.["fairlead.dev/forward"]),
      [],
    );
    await lisbon.kube.client.delete(services, { namespace: "shop", name: "theirs" }, {}, patience());
    await lisbon.kube.client.mergePatch(
      forwards,
      { namespace: "shop", name: "theirs" },
      { spec: { idle: "1h" } },
      patience(),
    );
    await settled(lisbon, "shop/theirs", "Ready");
    await remove("shop/theirs");
  });

  test("what is refused over there is said in the status, and each connection is reset", async () => {
    const { lisbon } = world;
    await applyForward(lisbon, "shop/secret", { ...page, target: "service/kube-system/secret" });
    await settled(lisbon, "shop/secret", "Ready");
    const socket = await connectTo(lisbon, "shop/secret", 8080);
    assert.match(await broken(socket), /ECONNRESET/);
    const told = await eventually(
      "the status says why",
      () => readForward(lisbon, "shop/secret"),
      (forward) => conditionOf(forward, "Reached")?.status === "False",
    );
    assert.equal(conditionOf(told, "Reached")?.reason, "Denied");
    assert.match(told?.status?.message ?? "", /no policy here lets peer lisbon reach .* \(rule: tunnels\/services\)/);
    await remove("shop/secret");
  });

  test("what cannot be carried out says what has to be changed", async () => {
    const { lisbon } = world;
    for (const [target, problem] of [
      ["app/other/web", /another namespace; a Forward refers to what is in its own/],
      ["metrics", /metrics has no ports, so web can have no targetPort/],
      ["service/page", /names nothing that a Forward leads to/],
    ] as const) {
      await applyForward(lisbon, "shop/wrong", { ...page, target });
      const invalid = await settled(lisbon, "shop/wrong", "Invalid");
      assert.match(invalid.status?.message ?? "", problem);
      assert.equal(await readService(lisbon, "shop/wrong"), undefined);
    }
    await applyForward(lisbon, "shop/wrong", { ...page, peer: "paris" });
    const unknown = await settled(lisbon, "shop/wrong", "Waiting", "UnknownPeer");
    assert.match(unknown.status?.message ?? "", /no peer paris here/);
    await applyForward(lisbon, "shop/wrong", page);
    await settled(lisbon, "shop/wrong", "Ready");
    await reaches("shop/wrong", 8080);
    await remove("shop/wrong");
  });

  test("a Forward that is changed leads elsewhere at once, and one that is made anew has a Service of its own", async () => {
    const { lisbon } = world;
    await applyForward(lisbon, "shop/page", page);
    await settled(lisbon, "shop/page", "Ready");
    const before = await readService(lisbon, "shop/page");
    await applyForward(lisbon, "shop/page", {
      ...page,
      ports: [
        { name: "web", port: 81, targetPort: "web" },
        { name: "more", port: 82, targetPort: 80 },
      ],
    });
    await settled(lisbon, "shop/page", "Ready");
    assert.equal((await readService(lisbon, "shop/page"))?.metadata.uid, before?.metadata.uid);
    for (const port of [81, 82]) await reaches("shop/page", port);
    await lisbon.kube.client.delete(
      forwards,
      { namespace: "shop", name: "page" },
      { propagation: "Orphan" },
      patience(),
    );
    await applyForward(lisbon, "shop/page", page);
    await settled(lisbon, "shop/page", "Ready");
    await reaches("shop/page", 8080);
    await remove("shop/page");
  });

  test("a Service that somebody turns elsewhere is brought back", async () => {
    const { lisbon } = world;
    await applyForward(lisbon, "shop/page", page);
    await settled(lisbon, "shop/page", "Ready");
    const ref = { namespace: "shop", name: "page" };
    await lisbon.kube.client.mergePatch(services, ref, { spec: { selector: { app: "mallory" } } }, patience());
    await lisbon.kube.client.mergePatch(forwards, ref, { spec: { idle: "2h" } }, patience());
    await eventually(
      "nothing is selected",
      () => readService(lisbon, "shop/page"),
      (service) => service !== undefined && service.spec?.selector === undefined,
    );
    await remove("shop/page");
  });
});
