/** What a peer offers, with the peer, the rules and the API server in the test's hands. */
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { ForwardService, OfferSchema } from "../../../src/gen/fairlead/peer/v1/forward_pb.ts";
import { type Service, services } from "../../../src/kube/resources.ts";
import type { EffectivePolicy } from "../../../src/policy/effective-policy.ts";
import { callerKey } from "../../../src/rpc/caller.ts";
import { rulesOf } from "../../../src/tunnel/forwards/offer-turn.ts";
import { createOffered } from "../../../src/tunnel/forwards/offered.ts";
import { patience, until } from "../../patience.ts";
import { policyOf } from "../../policy/given.ts";
import { broken } from "./cluster.ts";
import { failure, forbidden } from "./objects.ts";
import { createStage, readSlice, tryConnect } from "./stage.ts";

const fingerprint = "f".repeat(64);

interface Spec {
  readonly uid: string;
  readonly name?: string;
  readonly port?: number;
  readonly ports?: number;
  readonly connections?: number;
}

function offerOf({ uid, name = uid, port = 80, ports = 1, connections = 100 }: Spec) {
  const all = Array.from({ length: ports }, (_, at) => ({ name: `p${at}`, port: port + at, appProtocol: "" }));
  return { uid, name, ports: all, use: { connections } };
}

function setUp(ports = 1_000) {
  const stage = createStage(ports);
  const state = {
    peer: "tokyo" as string | undefined,
    policy: policyOf({ tunnels: { reverse: [{}] } }) as EffectivePolicy,
    dialled: 0,
    /** Calls that are waited for, or have been. */
    called: 0,
  };
  const offered = createOffered({
    ...stage.deps,
    callerOf: () =>
      state.peer === undefined ? undefined : { fingerprint, guest: false, peer: state.peer, grants: ["tunnels"] },
    policyOf: () => state.policy,
    claimNamespace: async ({ peer }) => ({ ok: true, namespace: `of-${peer}` }),
    namespaceOf: (peer) => `of-${peer}`,
    record: { note: () => undefined },
    dial: async () => {
      state.dialled += 1;
      return duplexPair()[0];
    },
    settled: async () => undefined,
  });
  const counted: ServiceImpl<typeof ForwardService> = {
    offer(request, context) {
      const answer = offered.service.offer(request, context);
      state.called += 1;
      return answer;
    },
  };
  const transport = createRouterTransport((router) => router.service(ForwardService, counted), {
    router: {
      interceptors: [
        (next) => (request) => {
          const { peer } = state;
          request.contextValues.set(callerKey, {
            fingerprint,
            guest: false,
            ...(peer && { peer }),
            grants: [],
            caPem: "",
          });
          return next(request);
        },
      ],
    },
  });
  const client = createClient(ForwardService, transport);
  const offer = async (...specs: Spec[]) => {
    const { states } = await client.offer({ offers: specs.map(offerOf) }, { signal: patience() });
    return Object.fromEntries(states.map(({ uid, service, reason }) => [uid, service || reason]));
  };
  const made = async (): Promise<Service[]> => (await stage.objects.client.list(services, {}, patience())).items;
  const nothingIsLeft = () => until("all is cleared away", async () => (await made()).length === 0);
  const enter = async (name: string) => {
    const slice = await readSlice(stage, `of-${state.peer}`, name);
    const socket = await tryConnect(stage.address, slice?.ports?.[0]?.port ?? 0);
    assert.ok(socket);
    return socket;
  };
  return { ...stage, state, offered, offer, made, nothingIsLeft, enter };
}

test("what the policy lets be only until then ends then, though nobody calls, and each connection is judged anew", async () => {
  const stage = setUp();
  const { state, clock } = stage;
  const end = clock.now() + 3_600_000;
  const time = new Date(end).toISOString();
  state.policy = policyOf({ tunnels: { reverse: [{}], until: time } });
  assert.deepEqual(await stage.offer({ uid: "db" }), { db: "of-tokyo/db" });
  const socket = await stage.enter("db");
  await until("it is dialled", () => state.dialled === 1);
  await clock.advance(3_599_000);
  assert.equal(socket.destroyed, false);
  clock.jump(1_000);
  assert.match(await broken(await stage.enter("db")), /ECONNRESET/, "no timer knows of it yet");
  assert.equal(state.dialled, 1);
  await clock.advance(1_000);
  assert.match(await broken(socket), /ECONNRESET/);
  await stage.nothingIsLeft();
  await stage.offered.close();
});

test("of all calls that come while one is followed a single turn is made", async () => {
  const stage = setUp();
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  let creates = 0;
  stage.objects.before = async (verb) => {
    if (verb !== "create") return;
    creates += 1;
    begun.resolve();
    await gate.promise;
  };
  const first = stage.offer({ uid: "one" });
  await begun.promise;
  const rest = ["two", "three", "four", "five"].map((uid) => stage.offer({ uid }));
  await until("all wait", () => stage.state.called === 5);
  gate.resolve();
  assert.deepEqual(await first, { one: "of-tokyo/one" });
  for (const answer of await Promise.all(rest)) assert.deepEqual(answer, { five: "of-tokyo/five" });
  assert.equal(creates, 4, "two turns, of a Service and a slice each");
  const lists = stage.objects.asked.filter((asked) => asked === "list services of-tokyo/*");
  assert.equal(lists.length, 2);
  await stage.offered.close();
});

test("what is withdrawn at a bad moment lets nobody in at once, keeps its port, and is cleared away when that goes again", async () => {
  const stage = setUp(1);
  await stage.offer({ uid: "db" });
  const socket = await stage.enter("db");
  await until("it is dialled", () => stage.state.dialled === 1);
  let failed = 0;
  stage.objects.before = (verb) => {
    if (verb !== "delete") return;
    failed += 1;
    throw failure(503, "ServiceUnavailable");
  };
  stage.state.policy = policyOf();
  stage.offered.review(fingerprint);
  assert.match(await broken(socket), /ECONNRESET/);
  await until("it is tried", () => failed > 0);
  assert.equal(await stage.range.open("other", "web", async () => ({ close: () => undefined })), undefined);
  stage.objects.before = () => undefined;
  for (let n = 0; n < 60 && (await stage.made()).length > 0; n += 1) await stage.clock.advance(1_000);
  await stage.nothingIsLeft();
  assert.ok(await stage.range.open("other", "web", async () => ({ close: () => undefined })));
  await stage.offered.close();
});

test("a peer that comes back under another name finds nothing of the old one there", async () => {
  const stage = setUp();
  await stage.offer({ uid: "db" });
  const socket = await stage.enter("db");
  await until("it is dialled", () => stage.state.dialled === 1);
  stage.state.peer = "kyoto";
  assert.deepEqual(await stage.offer({ uid: "db" }), { db: "of-kyoto/db" });
  stage.offered.review(fingerprint);
  assert.match(await broken(socket), /ECONNRESET/);
  await until("what was the old one's is not counted", () => stage.offered.counts().length === 1);
  assert.deepEqual(
    (await stage.made()).map(({ metadata }) => metadata.namespace),
    ["of-kyoto"],
  );
  stage.state.peer = undefined;
  stage.offered.review();
  await stage.nothingIsLeft();
  await stage.offered.close();
});

test("no more connections than the bound, whatever is said, and for all offers of the peer what its policy says", async () => {
  const stage = setUp();
  stage.state.policy = policyOf({ tunnels: { reverse: [{}], limits: { connections: 3 } } });
  await stage.offer({ uid: "db", connections: 65_535 }, { uid: "cache", connections: 1 });
  for (const name of ["db", "cache", "db"]) await stage.enter(name);
  await until("three are there", () => stage.state.dialled === 3);
  for (const name of ["db", "cache"]) assert.match(await broken(await stage.enter(name)), /ECONNRESET/);
  stage.state.policy = policyOf({ tunnels: { reverse: [{}] } });
  stage.offered.review(fingerprint);
  await stage.enter("db");
  await until("there is more room", () => stage.state.dialled === 4);
  assert.match(await broken(await stage.enter("cache")), /ECONNRESET/, "its own bound");
  await stage.offered.close();
});

test("one offer has no more connections than others may have of an agent's own Forward", () => {
  const said = offerOf({ uid: "db", connections: 65_535 });
  const { use } = create(OfferSchema, said);
  assert.equal(rulesOf(use).connections, 4_096);
  assert.equal(rulesOf(undefined).connections, 1);
});

test("what is refused takes no room from what is not, and an offer that gets no ports stands when there are some", async () => {
  const stage = setUp(130);
  stage.state.policy = policyOf({ tunnels: { reverse: [{ name: "ok" }, { name: "more" }] } });
  const many = Array.from({ length: 8 }, (_, at) => ({ uid: `no-${at}`, ports: 32 }));
  const answer = await stage.offer(...many, { uid: "ok", ports: 32 }, { uid: "again", name: "ok" });
  assert.equal(answer.ok, "of-tokyo/ok");
  assert.equal(answer.again, "NameTaken");
  assert.equal(answer["no-0"], "Denied");
  const taken = [];
  const listen = async () => ({ close: () => undefined });
  for (let n = 0; n < 97; n += 1) taken.push(await stage.range.open("other", `p${n}`, listen));
  assert.deepEqual(await stage.offer({ uid: "ok", ports: 32 }, { uid: "more", ports: 32 }), {
    ok: "of-tokyo/ok",
    more: "NoPorts",
  });
  for (const one of taken) one?.close();
  stage.range.giveBack("other");
  assert.deepEqual(await stage.offer({ uid: "more", ports: 32 }), { more: "of-tokyo/more" });
  await stage.enter("more");
  await until("it is listened on", () => stage.state.dialled === 1);
  await stage.offered.close();
});

test("what was made by a right that is gone keeps no other offer from being followed", async () => {
  const stage = setUp();
  const { maker, address } = stage;
  const place = { address };
  const old = { namespace: "of-tokyo", name: "old", uid: "old", peer: "tokyo", isOwned: false, ports: [], place };
  await maker.keep(old, patience());
  stage.objects.before = (verb, _plural, { name }) => {
    if (verb === "delete" && name === "old-fairlead") throw forbidden();
  };
  assert.deepEqual(await stage.offer({ uid: "db" }), { db: "of-tokyo/db" });
  assert.deepEqual(
    (await stage.made()).map(({ metadata }) => metadata.name).sort(),
    ["db", "old"],
    "the Service stays where its slice does",
  );
  await stage.offered.close();
});

test("the agent's end tells who waits, and leads nobody here any more", async () => {
  const stage = setUp();
  await stage.offer({ uid: "db" });
  const gate = Promise.withResolvers<void>();
  stage.objects.before = () => gate.promise;
  const first = stage.offer({ uid: "db" });
  await until("it is followed", () => stage.objects.asked.at(-1) === "list services of-tokyo/*");
  const late = stage.offer({ uid: "db" });
  const told = assert.rejects(late, (error) => error instanceof ConnectError && error.code === Code.Unavailable);
  await until("one waits", () => stage.state.called === 3);
  const closed = stage.offered.close();
  gate.resolve();
  await Promise.all([closed, told]);
  await first.catch(() => undefined);
  assert.deepEqual((await readSlice(stage, "of-tokyo", "db"))?.endpoints, []);
});
