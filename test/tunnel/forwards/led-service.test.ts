/** A Service that leads to ports of the agent: who is let in when, and when a port may be another's. */
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { type TestContext, test } from "node:test";
import { endpointSlices, services } from "../../../src/kube/resources.ts";
import { LedService, leaveAll } from "../../../src/tunnel/forwards/led-service.ts";
import type { UseRules } from "../../../src/tunnel/forwards/plan.ts";
import type { ServedPort } from "../../../src/tunnel/forwards/served.ts";
import { patience, until } from "../../patience.ts";
import { broken } from "./cluster.ts";
import { failure, forbidden } from "./objects.ts";
import { createStage, readSlice, tryConnect } from "./stage.ts";

const rules: UseRules = {
  connections: 10,
  connectionsPerSecond: undefined,
  bytesPerSecond: undefined,
  idleMs: undefined,
  proxyProtocol: false,
};

function portsOf(...names: string[]): ServedPort[] {
  return names.map((name, at) => {
    const dial = async () => duplexPair()[0];
    return { name, port: 80 + at, appProtocol: undefined, leadsTo: name, leading: { protocol: "TCP", dial } };
  });
}

/** What is served is shut at the end of the test. */
function setUp(t: TestContext, ports = 1) {
  const stage = createStage(ports);
  const serve = (name: string, uid = name): LedService => {
    const served = new LedService({ namespace: "shop", name, uid, peer: "berlin", isOwned: true }, stage.deps);
    t.after(() => served.shut());
    return served;
  };
  return { ...stage, serve };
}

test("nobody is let in before the Service is made, and nobody at all where none can be", async (t) => {
  const stage = setUp(t);
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  stage.objects.before = async (verb) => {
    if (verb !== "create") return;
    asked.resolve();
    await answer.promise;
  };
  const one = stage.serve("db");
  const kept = one.keep(portsOf("web"), rules, patience());
  await asked.promise;
  const early = await tryConnect(stage.address, 20_000);
  assert.ok(early, "it is listened on");
  assert.match(await broken(early), /ECONNRESET/);
  answer.resolve();
  assert.equal((await kept).ok, true);
  const socket = await tryConnect(stage.address, 20_000);
  await until("it is taken", () => one.traffic.counts.opened.taken === 1);
  one.shut();
  assert.ok(socket);
  assert.match(await broken(socket), /ECONNRESET/);
  assert.equal(await tryConnect(stage.address, 20_000), undefined);
  await assert.rejects(one.keep(portsOf("web"), rules, patience()), /not served any more/);
});

test("its ports are nobody else's before the slice leads nowhere, however often that fails", async (t) => {
  const stage = setUp(t);
  const one = stage.serve("db");
  await one.keep(portsOf("web"), rules, patience());
  assert.deepEqual((await readSlice(stage, "shop", "db"))?.endpoints?.[0]?.addresses, [stage.address]);
  stage.objects.before = (verb) => {
    if (verb === "update") throw failure(500, "InternalError");
  };
  for (let n = 0; n < 2; n += 1) await assert.rejects(one.standDown(patience()), /InternalError/);
  const other = stage.serve("other");
  const told = await other.keep(portsOf("web"), rules, patience());
  assert.deepEqual(told, { ok: false, reason: "NoPorts", message: "none is left" });
  stage.objects.before = () => undefined;
  await one.standDown(patience());
  const slice = await readSlice(stage, "shop", "db");
  assert.deepEqual([slice?.endpoints, slice?.ports], [[], []]);
  assert.equal((await other.keep(portsOf("web"), rules, patience())).ok, true);
});

test("a port that the Forward has no more is given back when the slice is written without it, and one that is asked for again is the same", async (t) => {
  const stage = setUp(t, 3);
  const one = stage.serve("db");
  const other = stage.serve("other");
  await one.keep(portsOf("web", "more"), rules, patience());
  stage.objects.before = (verb) => {
    if (verb === "update") throw failure(500, "InternalError");
  };
  await assert.rejects(one.keep(portsOf("web"), rules, patience()), /InternalError/);
  assert.equal((await other.keep(portsOf("web"), rules, patience())).ok, false);
  stage.objects.before = () => undefined;
  await one.keep(portsOf("web"), rules, patience());
  assert.equal((await other.keep(portsOf("web"), rules, patience())).ok, true);
  await one.standDown(patience());
  const again = stage.serve("db");
  await again.keep(portsOf("web"), rules, patience());
  assert.deepEqual(
    (await readSlice(stage, "shop", "db"))?.ports?.map(({ port }) => port),
    [20_001],
  );
  await leaveAll([again, other], stage.clock);
  assert.deepEqual((await readSlice(stage, "shop", "other"))?.endpoints, [], "as all are at the agent's end");
});

test("one that is shut while its slice is written keeps the ports that the slice leads to, until it leads nowhere", async (t) => {
  const stage = setUp(t);
  const one = stage.serve("db");
  stage.objects.before = (verb, plural) => {
    if (verb === "create" && plural === "endpointslices") one.shut();
  };
  await one.keep(portsOf("web"), rules, patience());
  assert.deepEqual((await readSlice(stage, "shop", "db"))?.endpoints?.[0]?.addresses, [stage.address]);
  const other = stage.serve("other");
  assert.equal((await other.keep(portsOf("web"), rules, patience())).ok, false);
  stage.objects.before = () => {
    throw forbidden();
  };
  await one.standDown(patience());
  stage.objects.before = () => undefined;
  assert.equal((await other.keep(portsOf("web"), rules, patience())).ok, false, "nor when that may not be written");
});

test("what is held for a Forward is not a peer's that offers one of the same UID, and does not go with what it withdraws", async (t) => {
  const stage = setUp(t);
  const mine = stage.serve("db");
  await mine.keep(portsOf("web"), rules, patience());
  stage.objects.before = (verb) => {
    if (verb === "update") throw failure(500, "InternalError");
  };
  await assert.rejects(mine.standDown(patience()), /InternalError/);
  const identity = { namespace: "of-tokyo", name: "db", uid: "db", peer: "tokyo", isOwned: false };
  for (let n = 0; n < 2; n += 1) {
    const theirs = new LedService(identity, stage.deps);
    assert.equal((await theirs.keep(portsOf("web"), rules, patience())).ok, false);
    await theirs.remove(patience());
  }
  const other = stage.serve("other");
  assert.equal((await other.keep(portsOf("web"), rules, patience())).ok, false, "the slice of the Forward leads there");
});

test("without the right to make it its ports are free again; once made, they stay its own when the right is taken", async (t) => {
  const stage = setUp(t);
  stage.objects.before = () => {
    throw forbidden();
  };
  const [never, once] = [stage.serve("never"), stage.serve("db")];
  const told = await never.keep(portsOf("web"), rules, patience());
  assert.deepEqual(told, {
    ok: false,
    reason: "NotPermitted",
    message: "The agent may not make Services and EndpointSlices in shop: let it in shop.",
  });
  await never.standDown(patience());
  stage.objects.before = () => undefined;
  assert.equal((await once.keep(portsOf("web"), rules, patience())).ok, true, "the port is free");
  stage.objects.before = () => {
    throw forbidden();
  };
  await once.standDown(patience());
  stage.objects.before = () => undefined;
  const other = await stage.serve("other").keep(portsOf("web"), rules, patience());
  assert.equal(!other.ok && other.reason, "NoPorts", "what leads to the port nobody may change");
});

test("the slice goes before the Service, by which it is found again when that fails", async (t) => {
  const stage = setUp(t);
  const one = stage.serve("db");
  await one.keep(portsOf("web"), rules, patience());
  stage.objects.before = (verb, plural) => {
    if (verb === "delete" && plural === "endpointslices") throw failure(500, "InternalError");
  };
  await assert.rejects(one.remove(patience()), /InternalError/);
  const ref = { namespace: "shop", name: "db" };
  assert.ok(await stage.objects.client.get(services, ref, patience()));
  stage.objects.before = () => undefined;
  await one.remove(patience());
  assert.equal(await stage.objects.client.get(services, ref, patience()), undefined);
  const { items } = await stage.objects.client.list(endpointSlices, {}, patience());
  assert.deepEqual(items, []);
});

test("without the right to slices the Service stays, by which they are found again, and the port stays its own", async (t) => {
  const stage = setUp(t);
  const one = stage.serve("db");
  await one.keep(portsOf("web"), rules, patience());
  stage.objects.before = (_verb, plural) => {
    if (plural === "endpointslices") throw forbidden();
  };
  await one.remove(patience());
  const ref = { namespace: "shop", name: "db" };
  assert.ok(await stage.objects.client.get(services, ref, patience()));
  stage.objects.before = () => undefined;
  const other = await stage.serve("other").keep(portsOf("web"), rules, patience());
  assert.equal(!other.ok && other.reason, "NoPorts");
  await one.remove(patience());
  assert.equal(await stage.objects.client.get(services, ref, patience()), undefined);
  assert.equal((await stage.serve("other").keep(portsOf("web"), rules, patience())).ok, true);
});

test("a quota or a policy that refuses is told as that, and not as a right that is missing", async (t) => {
  const stage = setUp(t);
  const quota =
    'services "db" is forbidden: exceeded quota: few, requested: services=1, used: services=3, limited: services=3';
  for (const error of [failure(403, "Forbidden", quota), failure(422, "Invalid", "spec.ports: no")]) {
    stage.objects.before = (verb) => {
      if (verb === "create") throw error;
    };
    const one = stage.serve("db");
    const told = await one.keep(portsOf("web"), rules, patience());
    assert.deepEqual(told, { ok: false, reason: "Refused", message: "The cluster refuses it." });
    await one.standDown(patience());
  }
  assert.deepEqual(stage.refusals, [quota, "spec.ports: no"]);
});
