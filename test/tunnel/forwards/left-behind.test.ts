/** What a process of the agent before has left of Forwards, and what the next one makes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../src/base/log.ts";
import { endpointSlices, forwards, namespaces, services } from "../../../src/kube/resources.ts";
import { createLeftBehind } from "../../../src/tunnel/forwards/left-behind.ts";
import { endpointSliceOf, serviceOf, type WantedService } from "../../../src/tunnel/forwards/manifests.ts";
import { patience, until } from "../../patience.ts";
import { failure, forbidden } from "./objects.ts";
import { createStage, readSlice } from "./stage.ts";

const listen = async () => ({ close: () => undefined });

function setUp() {
  const stage = createStage(2);
  const left = (name: string, more: Partial<WantedService> = {}, listening = 20_000) => {
    const ports = [{ name: "web", port: 80, listening, appProtocol: undefined, protocol: "TCP" as const }];
    const place = { address: stage.address };
    const made = { namespace: "shop", name, uid: `uid-${name}`, peer: "berlin", isOwned: true, ports, place, ...more };
    const { metadata, ...service } = serviceOf(made);
    stage.objects.put(services, { ...services.format(service), metadata: { ...metadata, name } });
    stage.objects.put(endpointSlices, endpointSlices.format(endpointSliceOf(made)));
  };
  const forward = (name: string, uid = `uid-${name}`) =>
    stage.objects.put(forwards, { metadata: { namespace: "shop", name, uid }, spec: { peer: "berlin" } });
  const offered = (peer: string, name: string, listening = 20_000) => {
    const namespace = `fairlead-peer-${peer}`;
    stage.objects.put(namespaces, { metadata: { name: namespace, labels: { mark: peer } } });
    left(name, { namespace, peer, isOwned: false }, listening);
  };
  const start = () =>
    createLeftBehind({
      client: stage.objects.client,
      peerNamespaces: "mark",
      isOfAPeer: (namespace) => namespace === "fairlead-peer-berlin",
      peersKnown: async () => undefined,
      address: stage.address,
      range: stage.range,
      maker: stage.maker,
      clock: stage.clock,
      log: silentLog,
    });
  const leadsTo = async (name: string, namespace = "shop") =>
    (await readSlice(stage, namespace, name))?.endpoints?.flatMap(({ addresses }) => addresses);
  return { ...stage, left, forward, offered, start, leadsTo };
}

test("a port that a Forward's slice leads to is dealt to that Forward and to no other", async () => {
  const stage = setUp();
  stage.forward("db");
  stage.left("db");
  const before = stage.start();
  await before.settled(patience());
  assert.equal((await stage.range.open("other", "web", listen))?.port, 20_001);
  assert.equal((await stage.range.open("shop/uid-db", "web", listen))?.port, 20_000);
  assert.deepEqual(await stage.leadsTo("db"), [stage.address], "it is written when the Forward is brought");
  await before.close();
});

test("what leads here for a Forward that is another by now, or to a port that leads elsewhere too, leads nowhere", async () => {
  const stage = setUp();
  stage.forward("db", "uid-new");
  stage.left("db");
  stage.forward("one");
  stage.left("one", {}, 20_001);
  stage.forward("two");
  stage.left("two", {}, 20_001);
  stage.forward("away");
  stage.left("away", { place: { address: "192.0.2.1" } });
  stage.forward("theirs");
  stage.left("theirs");
  const { items } = await stage.objects.client.list(endpointSlices, {}, patience());
  const theirs = items.find(({ metadata }) => metadata.name === "theirs-fairlead");
  assert.ok(theirs);
  stage.objects.put(endpointSlices, endpointSlices.format({ ...theirs, metadata: { ...theirs.metadata, labels: {} } }));
  const before = stage.start();
  await before.settled(patience());
  assert.deepEqual(await stage.leadsTo("db"), []);
  const ambiguous = [await stage.leadsTo("one"), await stage.leadsTo("two")];
  assert.deepEqual(ambiguous.map((addresses) => addresses?.length).sort(), [0, 1]);
  assert.deepEqual(await stage.leadsTo("theirs"), [stage.address], "what is somebody else's is left alone");
  assert.equal((await stage.range.open("new", "web", listen))?.port, 20_000, "an old address holds no port");
  await before.close();
});

test("what a peer has offered leads nowhere until it says so again, its ports rest, and what one offered that is no peer goes", async () => {
  const stage = setUp();
  stage.offered("berlin", "db");
  stage.offered("paris", "ledger", 20_001);
  const before = stage.start();
  await before.settled(patience());
  assert.deepEqual(await stage.leadsTo("db", "fairlead-peer-berlin"), []);
  assert.equal(await stage.leadsTo("ledger", "fairlead-peer-paris"), undefined);
  const { items } = await stage.objects.client.list(services, {}, patience());
  assert.deepEqual(
    items.map(({ metadata }) => metadata.name),
    ["db"],
  );
  assert.equal(await stage.range.open("new", "web", listen), undefined);
  assert.equal(
    (await stage.range.open("fairlead-peer-berlin/uid-db", "web", listen))?.port,
    20_000,
    "but for the offer itself",
  );
  await stage.clock.advance(60_000);
  assert.equal((await stage.range.open("new", "web", listen))?.port, 20_001);
  assert.equal(await stage.range.open("new", "more", listen), undefined, "it is listened on for the offer");
  await before.close();
});

test("no Forward begins before that is known; what the agent may not see holds nobody up", async () => {
  const stage = setUp();
  stage.forward("db");
  stage.left("db");
  stage.offered("berlin", "cache", 20_001);
  let fails = 2;
  stage.objects.before = (verb, plural, { namespace }) => {
    if (plural === "namespaces" && fails > 0) {
      fails -= 1;
      throw failure(503, "ServiceUnavailable");
    }
    if (verb === "get" && namespace === "shop") throw forbidden();
    if (verb === "update") throw failure(422, "Invalid");
  };
  const before = stage.start();
  let isSettled = false;
  void before.settled(patience()).then(() => {
    isSettled = true;
  });
  await until("it has failed", () => fails === 1);
  assert.equal(isSettled, false);
  for (let waited = 0; !isSettled && waited < 60_000; waited += 1_000) await stage.clock.advance(1_000);
  await until("it is known", () => isSettled);
  assert.equal(fails, 0);
  assert.equal((await stage.range.open("new", "web", listen))?.port, 20_000);
  assert.equal(await stage.range.open("new", "more", listen), undefined, "what could not be emptied keeps its port");
  await stage.clock.advance(60_000);
  assert.equal(await stage.range.open("new", "more", listen), undefined);
  await before.close();
});
