import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { MembershipService } from "../../src/gen/fairlead/peer/v1/membership_pb.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { patience, until } from "../patience.ts";
import { startAgent, startPair } from "./agents.ts";

test("joining by an invite makes each the other's peer, under names of their own, with equal words", async (t) => {
  const a = await startAgent(t, { name: "Aachen Prod!" });
  const b = await startAgent(t, { name: "berlin" });
  const line = await a.invite({ grants: ["apps"], labels: { tier: "edge" } });
  const steps = await b.join(line, { name: "west" });

  assert.deepEqual(
    steps.map(({ step }) => step),
    ["dialling", "proved", "joined"],
  );
  const west = b.peering.roster.get("west");
  assert.equal(west?.fingerprint, a.fingerprint);
  assert.equal(west?.url, a.url);
  assert.deepEqual(west?.grants, []);
  const berlin = a.peering.roster.get("berlin");
  assert.equal(berlin?.fingerprint, b.fingerprint);
  assert.equal(berlin?.url, b.url);
  assert.deepEqual(berlin?.grants, ["apps"]);
  assert.deepEqual(berlin?.labels, { tier: "edge" });

  const words = steps.at(-1);
  assert.ok(words?.step === "joined" && /^\w+-\w+-\w+-\w+$/.test(words.words));
  await a.connected("berlin");
  await b.connected("west");
  await until("both show the words", () => {
    const here = b.disk.peers.statuses.get("west")?.words;
    return here === words.words && a.disk.peers.statuses.get("berlin")?.words === here;
  });
});

test("after pairing each calls the other over the one link and is known by fingerprint", async (t) => {
  const { a, b } = await startPair(t, { grants: ["apps"] });
  for (const [from, to, name] of [
    [a, b, "berlin"],
    [b, a, "aachen"],
  ] as const) {
    const client = createClient(MembershipService, from.peering.switchboard.transport(name));
    assert.equal((await client.getFacts({}, { signal: patience() })).facts.architecture, "test");
    const target = { $typeName: "fairlead.wire.v1.Target", kind: kubernetes, network: 0 } as const;
    const stream = await from.peering.switchboard.dial(name, target, { signal: patience() });
    stream.end("hello");
    let heard = "";
    for await (const chunk of stream) heard += String(chunk);
    assert.equal(heard, "hello");
    assert.deepEqual(
      to.dialled.map(({ fingerprint, guest, grants }) => ({ fingerprint, guest, grants })),
      [{ fingerprint: from.fingerprint, guest: false, grants: ["apps"] }],
    );
  }
});

test("an agent whose URL is an https one and whose name is long joins all the same, and is dialled", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "n".repeat(80), url: async (port) => `http://127.0.0.1:${port}` });
  await b.join(await a.invite());
  assert.deepEqual(
    a.peering.roster.list().map(({ url }) => url),
    [`ws://127.0.0.1:${b.port}/link`],
  );
});

test("an agent without a URL joins, and only it dials", async (t) => {
  const { a, b } = await startPair(t, { b: { reachable: false } });
  assert.equal(a.peering.roster.get("berlin")?.url, undefined);
  assert.equal(a.peering.switchboard.status("berlin").path, "accepted");
  assert.equal(b.accepted.length, 0);
});

test("facts of a peer come into the status, as said by it", async (t) => {
  const { a } = await startPair(t);
  const status = await until("the status has facts", () => {
    const found = a.disk.peers.statuses.get("berlin");
    return found?.facts.architecture === "test" ? found : undefined;
  });
  assert.equal(status.link?.state, "Connected");
  assert.equal(status.version, "0.0.1-test");
  assert.equal(status.conditions[0]?.reason, "LinkUp");
});

test("a person at the inviter is asked when the invite says so, sees the same words, and lets the joiner in", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const joining = b.join(await a.invite({ confirm: true }));
  const pending = await until("a join waits", () => {
    return [...a.disk.invites.stored.values()].find(({ record }) => record.claim)?.record;
  });
  assert.equal(a.peering.roster.byFingerprint(b.fingerprint), undefined);
  assert.equal((await a.peering.invites.list(patience()))[0]?.claim?.name, "berlin");
  await a.peering.invites.decide(pending.id, "accepted", patience());
  const steps = await joining;
  assert.deepEqual(
    steps.map(({ step }) => step),
    ["dialling", "proved", "waiting", "joined"],
  );
  const last = steps.at(-1);
  assert.equal(last?.step === "joined" ? last.words : "", pending.claim?.words);
  assert.deepEqual(await a.peering.invites.list(patience()), []);
  await assert.rejects(a.peering.invites.decide(pending.id, "declined", patience()), { code: "not-found" });
});

test("the log says by which invite an agent joined", async (t) => {
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => lines.push(line) });
  const a = await startAgent(t, { name: "aachen", log });
  const b = await startAgent(t, { name: "berlin" });
  const line = await a.invite();
  const [invite] = await a.peering.invites.list(patience());
  await b.join(line);
  const joined = lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === "peer joined");
  assert.ok(invite);
  assert.equal(joined.inviteId, invite.id);
});

test("two peers that suggest one name get different ones", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const one = await startAgent(t, { name: "berlin" });
  const two = await startAgent(t, { name: "Berlin" });
  await one.join(await a.invite());
  await two.join(await a.invite());
  assert.equal(a.peering.roster.get("berlin")?.fingerprint, one.fingerprint);
  assert.equal(a.peering.roster.get("berlin-2")?.fingerprint, two.fingerprint);
});

test("a join that broke after the inviter had stored its half succeeds when made again by the same agent", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const line = await a.invite({ name: "east" });
  b.disk.peers.beforePut = () => {
    throw new Error("the API server is away");
  };
  await assert.rejects(b.join(line), /the API server is away/);
  assert.ok(a.peering.roster.get("east"), "the inviter holds its half");
  assert.equal(b.peering.roster.list().length, 0);

  b.disk.peers.beforePut = () => undefined;
  await b.join(line);
  await b.connected("aachen");
  await a.connected("east");
  assert.equal(a.peering.roster.list().length, 1);

  const other = await startAgent(t, { name: "other" });
  await assert.rejects(other.join(line), { code: "refused", message: /Another agent has used this invite/ });
});

test("a join that broke before the inviter had stored its half succeeds when made again by the same agent", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const line = await a.invite();
  a.disk.peers.beforePut = () => {
    throw new Error("the API server is away");
  };
  await assert.rejects(b.join(line), { code: "refused", message: /may be tried again/ });
  a.disk.peers.beforePut = () => undefined;
  await b.join(line);
  await a.connected("berlin");
});

test("an agent that lost its roster pairs again by a new invite, which says what it gets", async (t) => {
  const { a, b } = await startPair(t);
  b.disk.peers.delete("aachen");
  await until("the roster is lost", () => !b.peering.roster.get("aachen"));
  await b.join(await a.invite({ grants: ["apps"], labels: { tier: "edge" } }));
  await b.connected("aachen");
  await a.connected("berlin");
  assert.deepEqual(a.peering.roster.get("berlin")?.grants, ["apps"]);
  assert.deepEqual(a.peering.roster.get("berlin")?.labels, { tier: "edge" });
  assert.equal(a.peering.roster.list().length, 1);
});

const kubernetes = { case: "kubernetes", value: { $typeName: "fairlead.wire.v1.KubernetesTarget" } } as const;
