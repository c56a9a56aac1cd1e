import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { systemClock } from "../../src/base/clock.ts";

import { MembershipService } from "../../src/gen/fairlead/peer/v1/membership_pb.ts";
import {
  JoinRefusalSchema,
  PairingService,
  JoinRefusal_Reason as Refusal,
} from "../../src/gen/fairlead/peer/v1/pairing_pb.ts";
import { dialLink } from "../../src/link/dialer.ts";
import type { Link } from "../../src/link/link.ts";
import { decodeInvite, encodeInvite, makeToken } from "../../src/peering/invite.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { Reason } from "../../src/wire/reason.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { createDisk, startAgent, startPair, type TestAgent } from "./agents.ts";

/** A link of an agent that knows nobody, to somebody. */
async function dialAsGuest(from: TestAgent, to: TestAgent): Promise<Link> {
  return dialLink(
    {
      identity: from.identity,
      hello: { instance: new Uint8Array(16).fill(7), version: "guest" },
      clock: systemClock,
      accept: (_link, stream) => {
        if (stream.kind === "rpc") stream.stream.reset(Reason.UNSUPPORTED, "");
        else stream.refuse(Reason.UNSUPPORTED, "");
      },
    },
    { url: to.url, pin: to.fingerprint },
    patience(),
  );
}

async function refusalOf(link: Link, token: Uint8Array): Promise<Refusal | undefined> {
  try {
    const client = createClient(PairingService, createLinkTransport(link.session));
    for await (const _step of client.join({ token, name: "guess" }, { signal: patience() })) return undefined;
  } catch (error) {
    const { findDetails } = error as { findDetails: (desc: typeof JoinRefusalSchema) => { reason: Refusal }[] };
    return findDetails.call(error, JoinRefusalSchema)[0]?.reason;
  }
  return undefined;
}

function rulesOf(agent: TestAgent): (string | undefined)[] {
  return agent.audited.filter(({ verdict }) => verdict === "denied").map(({ rule }) => rule);
}

test("a used invite is refused to another agent, with the reason, and audited", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const c = await startAgent(t, { name: "calais" });
  const line = await a.invite();
  await b.join(line);
  await assert.rejects(c.join(line), { code: "refused", message: /Another agent has used this invite/ });
  assert.deepEqual(rulesOf(a), ["invite/used"]);
  assert.equal(a.audited.find(({ verdict }) => verdict === "denied")?.actor.fingerprint, c.fingerprint);
  assert.equal(c.audited.at(-1)?.verdict, "failed");
  assert.equal(c.peering.roster.list().length, 0);
});

test("an expired invite is refused by the inviter, whatever the joiner's clock says", async (t) => {
  const clock = createFakeClock(Date.now());
  const a = await startAgent(t, { name: "aachen", clock });
  const b = await startAgent(t, { name: "berlin" });
  const line = await a.invite({ lifetimeMs: 2_000 });
  await clock.advance(4_000);
  await assert.rejects(b.join(line), { code: "refused", message: /expired at .* by the inviter's clock/ });
  assert.deepEqual(rulesOf(a), ["invite/expired"]);
});

test("a joiner whose clock is one hour off joins all the same", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const late = createFakeClock(Date.now() + 3_500_000);
  const b = await startAgent(t, { name: "berlin", clock: late });
  await b.join(await a.invite({ lifetimeMs: 60_000 }));
  await a.connected("berlin");
});

test("a revoked invite is refused, also to who waits for a person with it", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const { record, line } = await a.peering.invites.create({}, patience());
  await a.peering.invites.revoke(record.id, patience());
  await assert.rejects(b.join(line), { code: "refused", message: /withdrawn/ });

  const asked = await a.peering.invites.create({ confirm: true }, patience());
  const joining = assert.rejects(b.join(asked.line), { code: "refused" });
  await until("it waits", () => a.disk.invites.stored.get(asked.record.id)?.record.claim);
  await a.peering.invites.revoke(asked.record.id, patience());
  await joining;
  assert.equal(a.peering.roster.list().length, 0);
  await assert.rejects(a.peering.invites.revoke("nonesuch", patience()), { code: "not-found" });
});

test("a person at the inviter declines: nobody holds anybody, and the answer stands", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const { record, line } = await a.peering.invites.create({ confirm: true }, patience());
  const joining = assert.rejects(b.join(line), { code: "refused", message: /asked and declined/ });
  await until("it waits", () => a.disk.invites.stored.get(record.id)?.record.claim);
  await a.peering.invites.decide(record.id, "declined", patience());
  await joining;
  await assert.rejects(b.join(line), { code: "refused", message: /asked and declined/ });
  assert.equal(a.peering.roster.list().length + b.peering.roster.list().length, 0);
  assert.deepEqual(rulesOf(a), ["invite/declined", "invite/declined"]);
});

test("whoever answers at the URL with another key is not shown the token", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const middle = await startAgent(t, { name: "middle" });
  const b = await startAgent(t, { name: "berlin" });
  const invite = decodeInvite(await a.invite());
  const line = encodeInvite({ ...invite, urls: [middle.url] });
  await assert.rejects(b.join(line), {
    code: "unreachable",
    message: /not the agent that made the invite, so the token was not shown/,
  });
  assert.equal(middle.accepted.length, 0, "no link stood, so nothing was said");
  assert.equal([...a.disk.invites.stored.values()][0]?.record.claim, undefined);
});

test("an invite whose first URL is dead is used by its second", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const invite = decodeInvite(await a.invite());
  const steps = await b.join(encodeInvite({ ...invite, urls: ["ws://127.0.0.1:1/link", a.url] }));
  assert.deepEqual(
    steps.map(({ step }) => step),
    ["dialling", "dialling", "proved", "joined"],
  );
});

test("an agent does not join itself", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  await assert.rejects(a.join(await a.invite()), { code: "refused", message: /this agent's own/ });
});

test("a guest may call pairing and nothing else, which is audited, and one that insists is cut", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const guest = await startAgent(t, { name: "guest" });
  const link = await dialAsGuest(guest, a);
  const client = createClient(MembershipService, createLinkTransport(link.session));
  await assert.rejects(client.getFacts({}, { signal: patience() }), /Only a peer may ask this/);
  await assert.rejects(link.session.dial({ $typeName: "fairlead.wire.v1.Target", kind: kubernetes, network: 0 }), {
    reason: Reason.DENIED,
  });
  assert.equal(await refusalOf(link, new Uint8Array(16)), Refusal.UNKNOWN);
  assert.deepEqual(rulesOf(a), ["guest", "guest", "invite/unknown"]);
  assert.equal(a.dialled.length, 0);
  for (let count = 0; count < 10; count += 1) await client.getFacts({}, { signal: patience() }).catch(() => undefined);
  assert.equal((await link.closed).reason, Reason.DENIED);
});

test("a guest that does nothing is sent away", async (t) => {
  const clock = createFakeClock(Date.now());
  const a = await startAgent(t, { name: "aachen", clock });
  const guest = await startAgent(t, { name: "guest" });
  const link = await dialAsGuest(guest, a);
  await until("the guest is there", () => a.accepted.length === 1);
  await clock.advance(11_000);
  const end = await link.closed;
  assert.equal(end.reason, Reason.REMOVED);
  assert.match(end.message, /does not know you as its peer/);
});

test("wrong tokens are limited, and a right one passes all the same", async (t) => {
  const clock = createFakeClock(Date.now());
  const a = await startAgent(t, { name: "aachen", clock });
  const guest = await startAgent(t, { name: "guest" });
  const b = await startAgent(t, { name: "berlin" });
  const line = await a.invite();
  const link = await dialAsGuest(guest, a);
  const answers: (Refusal | undefined)[] = [];
  for (let count = 0; count < 30; count += 1) {
    answers.push(await refusalOf(link, Buffer.from(makeToken().reveal(), "hex")));
  }
  assert.equal(answers.filter((answer) => answer === Refusal.UNKNOWN).length, 20);
  assert.equal(answers.filter((answer) => answer === Refusal.TOO_MANY_ATTEMPTS).length, 10);
  await b.join(line);
});

test("of many who show one token at once, one is let in", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const line = await a.invite();
  const joiners = await Promise.all([1, 2, 3, 4].map((number) => startAgent(t, { name: `joiner-${number}` })));
  const outcomes = await Promise.allSettled(joiners.map((joiner) => joiner.join(line)));
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") assert.match(String(outcome.reason), /Another agent has used this invite/);
  }
  assert.equal(a.peering.roster.list().length, 1);
});

test("the same agent that joins twice at once becomes one peer", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const line = await a.invite();
  await Promise.allSettled([b.join(line), b.join(line)]);
  assert.equal(a.peering.roster.list().length, 1);
  assert.equal(b.peering.roster.list().length, 1);
  await a.connected("berlin");
});

test("a peer that was removed does not come back by the invite that it came with", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const line = await a.invite();
  await b.join(line);
  await a.connected("berlin");
  await b.connected("aachen");
  await a.peering.remove("berlin", { workloads: "Keep" }, patience());
  await until("b has heard", () => b.peering.roster.list().length === 0);
  await assert.rejects(b.join(line), { code: "refused", message: /removed since/ });
  assert.equal(a.peering.roster.list().length, 0);
});

test("a removed peer's name is not used again unless asked, but by the same agent", async (t) => {
  const { a, b } = await startPair(t);
  await a.peering.remove("berlin", { workloads: "Keep" }, patience());
  await until("b has heard", () => b.peering.roster.list().length === 0);
  const other = await startAgent(t, { name: "berlin" });
  await assert.rejects(a.invite({ name: "berlin" }), { code: "name-taken", message: /--reuse-name/ });
  await other.join(await a.invite());
  assert.equal(a.peering.roster.byFingerprint(other.fingerprint)?.name, "berlin-2");
  await b.join(await a.invite());
  assert.equal(a.peering.roster.byFingerprint(b.fingerprint)?.name, "berlin");

  await a.peering.remove("berlin-2", { workloads: "Keep" }, patience());
  const third = await startAgent(t, { name: "third" });
  await third.join(await a.invite({ name: "berlin-2", reuseName: true }));
  assert.equal(a.peering.roster.get("berlin-2")?.fingerprint, third.fingerprint);
});

test("an invite that names, grants or labels what cannot be is not made", async (t) => {
  const { a } = await startPair(t);
  await assert.rejects(a.invite({ name: "berlin" }), { code: "name-taken" });
  await assert.rejects(a.invite({ name: "Not A Name" }), { code: "invalid" });
  await assert.rejects(a.invite({ grants: ["everything"] }), { code: "invalid", message: /there are apps, tunnels/ });
  await assert.rejects(a.invite({ labels: { "no good": "x" } }), { code: "invalid" });
  await assert.rejects(a.invite({ lifetimeMs: 31 * 86_400_000 }), { code: "invalid" });
  await assert.rejects(a.invite({ url: "ftp://nowhere" }), { code: "invalid" });
  const unreachable = await startAgent(t, { name: "spoke", reachable: false, disk: createDisk() });
  await assert.rejects(unreachable.peering.invites.create({}, patience()), { code: "precondition", message: /--url/ });
});

test("no token and no hash of one is in the audit", async (t) => {
  const { a, b } = await startPair(t);
  const line = await a.invite();
  const token = decodeInvite(line).token;
  assert.equal(String(token), "[secret]");
  const everything = JSON.stringify([a.audited, b.audited]);
  assert.ok(!everything.includes(token.reveal()));
  assert.ok(!JSON.stringify([...a.disk.invites.stored.values()]).includes(token.reveal()));
});

const kubernetes = { case: "kubernetes", value: { $typeName: "fairlead.wire.v1.KubernetesTarget" } } as const;
