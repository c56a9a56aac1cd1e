/** What somebody with nothing but a key of their own can make an agent hold, write down or refuse to others. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { systemClock } from "../../src/base/clock.ts";

import { PairingService } from "../../src/gen/fairlead/peer/v1/pairing_pb.ts";
import { dialLink } from "../../src/link/dialer.ts";
import { Kept, type Link } from "../../src/link/link.ts";
import { decodeInvite } from "../../src/peering/invite.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { Reason } from "../../src/wire/reason.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { createCuttable, startAgent, type TestAgent } from "./agents.ts";

async function dialAsGuest(from: TestAgent, to: TestAgent): Promise<Link> {
  const hello = { instance: new Uint8Array(16).fill(7), version: "guest" };
  const accept = (): void => undefined;
  const deps = { identity: from.identity, hello, clock: systemClock, accept };
  return dialLink(deps, { url: to.url, pin: to.fingerprint }, patience());
}

async function readAll(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages) {
    // Only how it ends is of interest.
  }
}

test("a guest that opens calls and says nothing takes no room from peers, and is cut", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const link = await dialAsGuest(await startAgent(t, { name: "guest" }), a);
  const path = `/${PairingService.typeName}/Join`;
  const headers = new Headers({ "content-type": "application/grpc+proto", te: "trailers" });
  for (let count = 0; count < 4; count += 1) link.session.open({ rpc: { path, headers } });
  await until("they are served", () => a.rpc.running === 4);
  let most = 0;
  for (let count = 0; count < 20; count += 1) {
    try {
      link.session.open({ rpc: { path, headers } });
    } catch {
      break; // The link is over already.
    }
    most = Math.max(most, a.rpc.running);
  }
  assert.equal((await link.closed).reason, Reason.DENIED);
  assert.equal(most, 4);
});

test("nothing of a guest is kept when its connection is lost, although it could go on", async (t) => {
  // Time stands still there: it does not go for having been idle.
  const clock = createFakeClock(Date.now());
  const a = await startAgent(t, { name: "aachen", clock });
  const way = await createCuttable(t, a.port);
  const guest = await startAgent(t, { name: "guest" });
  const kept = new Kept(systemClock);
  const hello = { instance: new Uint8Array(16).fill(7), version: "guest" };
  const deps = { identity: guest.identity, hello, clock: systemClock, accept: () => undefined, kept: () => kept };
  const to = { url: way.url, pin: a.fingerprint };
  const link = await dialLink(deps, to, patience());
  await until("it stands", () => a.accepted.length === 1 && link.session.stats().carriers === 1);
  way.cut();
  await until("it is gone", () => a.acceptor.stats().links === 0);
  await clock.advance(5); // Carriers are numbered by the time.
  const next = await dialLink(deps, to, patience());
  assert.notEqual(next, link);
  assert.equal((await link.closed).reason, Reason.SESSION_LOST);
  next.close({ reason: Reason.SHUTDOWN, message: "" });
});

test("a guest cannot make an agent hold a large message", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const link = await dialAsGuest(await startAgent(t, { name: "guest" }), a);
  const client = createClient(PairingService, createLinkTransport(link.session));
  const join = client.join({ token: new Uint8Array(16), name: "x".repeat(100_000) }, { signal: patience() });
  await assert.rejects(readAll(join));
  assert.deepEqual(a.audited, [], "it was read, and judged");
  link.close({ reason: Reason.SHUTDOWN, message: "" });
});

test("refused joins do not push out what the audit log holds", async (t) => {
  const clock = createFakeClock(Date.now());
  const a = await startAgent(t, { name: "aachen", clock });
  const link = await dialAsGuest(await startAgent(t, { name: "guest" }), a);
  const client = createClient(PairingService, createLinkTransport(link.session));
  for (let count = 0; count < 200; count += 1) {
    await assert.rejects(readAll(client.join({ token: new Uint8Array(16) }, { signal: patience() })));
  }
  assert.equal(a.audited.filter(({ verdict }) => verdict === "denied").length, 60);
  link.close({ reason: Reason.SHUTDOWN, message: "" });
});

test("guesses do not keep out who has an invite from before a restart", async (t) => {
  const clock = createFakeClock(Date.now());
  const first = await startAgent(t, { name: "aachen", clock });
  const token = Buffer.from(decodeInvite(await first.invite()).token.reveal(), "hex");
  await first.close();
  const a = await startAgent(t, { name: "aachen", clock, disk: first.disk });
  const guesser = await dialAsGuest(await startAgent(t, { name: "guest" }), a);
  const guess = createClient(PairingService, createLinkTransport(guesser.session));
  for (let count = 0; count < 30; count += 1) {
    await assert.rejects(readAll(guess.join({ token: new Uint8Array(16) }, { signal: patience() })));
  }
  const holder = await dialAsGuest(await startAgent(t, { name: "berlin" }), a);
  const join = createClient(PairingService, createLinkTransport(holder.session));
  await readAll(join.join({ token, name: "berlin" }, { signal: patience() }));
  assert.equal(a.peering.roster.list().length, 1);
  for (const link of [guesser, holder]) link.close({ reason: Reason.SHUTDOWN, message: "" });
});
