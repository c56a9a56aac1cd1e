/** What one agent's Forward offers, as a Service at the other: whole agents on embedded clusters. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { JsonObject } from "../../../src/kube/object.ts";
import { forwards, services } from "../../../src/kube/resources.ts";
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

const offer: JsonObject = {
  peer: "berlin",
  direction: "Reverse",
  target: "service/page",
  ports: [{ name: "web", port: 8080, targetPort: 80 }],
};
const there = "fairlead-peer-lisbon/page";

function policy(reverse: string): string {
  return acceptAll.replace("{ accept: true }", `{ accept: true }, tunnels: { reverse: ${reverse} }`);
}

suite("Forwards in reverse", () => {
  let world: World;
  before(async () => {
    const settings = { "forwards.address": "127.0.0.1", "forwards.ports": "22000-22999" };
    world = await startWorld({ processes: true, settings });
    await pair(world, "apps,tunnels");
    for (const namespace of ["shop", "other"]) await makeNamespace(world.lisbon, namespace);
    await makePage(world.lisbon, "shop");
  });
  after(() => world[Symbol.asyncDispose]());

  async function reaches(): Promise<void> {
    await eventually(
      "the offer answers",
      () => ask(world.berlin, there, 8080).catch(() => undefined),
      (status) => status === 200,
    );
  }

  async function isGone(): Promise<void> {
    await eventually(
      "there is no Service",
      () => readService(world.berlin, there),
      (found) => found === undefined,
    );
    await eventually(
      "there are no endpoints",
      () => slicesOf(world.berlin, there),
      (found) => found.length === 0,
    );
  }

  test("nothing is made there while no policy lets it, and the status says which rule stands against it", async () => {
    await applyForward(world.lisbon, "shop/page", offer);
    const denied = await settled(world.lisbon, "shop/page", "Waiting", "Denied");
    assert.match(denied.status?.message ?? "", /tunnels\.reverse \(rule: tunnels\/reverse\)/);
    assert.equal(await readService(world.berlin, there), undefined);
  });

  test("what the policy lets be is a Service in the peer's namespace there, and what is asked of it is answered here", async () => {
    await applyPolicies(world.berlin, policy("[{ name: page, ports: [8080] }]"));
    const ready = await settled(world.lisbon, "shop/page", "Ready");
    assert.equal(ready.status?.service, there);
    assert.equal(conditionOf(ready, "Reached"), undefined, "only the other end knows who connects");
    const made = await readService(world.berlin, there);
    assert.equal(made?.metadata.labels?.["fairlead.dev/forward"], ready.metadata.uid);
    assert.equal(made?.spec?.selector, undefined);
    await reaches();
    const audited = await run(world.lisbon, ["audit", "list", "--action", "tunnel.open", "-o", "json"]);
    assert.match(audited.out + audited.err, new RegExp(`reverse/${ready.metadata.uid}:web`));
  });

  test("a port that the rule does not name is refused, and what was let goes with it", async () => {
    await applyForward(world.lisbon, "shop/page", { ...offer, ports: [{ name: "web", port: 8081, targetPort: 80 }] });
    await settled(world.lisbon, "shop/page", "Waiting", "Denied");
    await isGone();
    await applyForward(world.lisbon, "shop/page", offer);
    await settled(world.lisbon, "shop/page", "Ready");
    await reaches();
  });

  test("when the policy takes it back, what is open ends at once and the Service goes", async () => {
    const open = await connectTo(world.berlin, there, 8080);
    open.write("GET / HTTP/1.1\r\n");
    await applyPolicies(world.berlin, policy("[]"));
    assert.match(await broken(open), /ECONNRESET/);
    await isGone();
    await applyPolicies(world.berlin, policy("[{ ports: [8080] }]"));
    await eventually(
      "it is there again",
      () => readService(world.berlin, there),
      (found) => found !== undefined,
    );
    await reaches();
  });

  test("a Forward offers nothing of another namespace, and none of a name that an older one offers", async () => {
    await applyForward(world.lisbon, "other/steals", { ...offer, target: "service/shop/page" });
    const invalid = await settled(world.lisbon, "other/steals", "Invalid");
    assert.match(invalid.status?.message ?? "", /another namespace/);
    await applyForward(world.lisbon, "other/page", offer);
    const second = await settled(world.lisbon, "other/page", "Waiting", "NameTaken");
    assert.match(second.status?.message ?? "", /Another of your Forwards offers page already/);
    await settled(world.lisbon, "shop/page", "Ready");
    const found = await readForward(world.lisbon, "shop/page");
    const made = await readService(world.berlin, there);
    assert.equal(made?.metadata.labels?.["fairlead.dev/forward"], found?.metadata.uid);
    await reaches();
    for (const name of ["steals", "page"]) {
      await world.lisbon.kube.client.delete(forwards, { namespace: "other", name }, {}, patience());
    }
  });

  test("a Service there that was not made for it stays, and is told of", async () => {
    const theirs = {
      metadata: { namespace: "fairlead-peer-lisbon", name: "theirs" },
      spec: { selector: { a: "b" }, ports: [{ port: 8080 }] },
    };
    await world.berlin.kube.client.create(services, theirs, patience());
    await applyForward(world.lisbon, "shop/theirs", offer);
    const taken = await settled(world.lisbon, "shop/theirs", "Waiting", "NameTaken");
    assert.match(taken.status?.message ?? "", /a Service theirs in fairlead-peer-lisbon already/);
    const still = await readService(world.berlin, "fairlead-peer-lisbon/theirs");
    assert.deepEqual(still?.spec?.selector, { a: "b" });
    await world.lisbon.kube.client.delete(forwards, { namespace: "shop", name: "theirs" }, {}, patience());
  });

  test("the Forward's end ends what is open and takes the Service there away", async () => {
    await reaches();
    const open = await connectTo(world.berlin, there, 8080);
    open.write("GET / HTTP/1.1\r\n");
    await world.lisbon.kube.client.delete(forwards, { namespace: "shop", name: "page" }, {}, patience());
    assert.match(await broken(open), /ECONNRESET/);
    await isGone();
  });
});
