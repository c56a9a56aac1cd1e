import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, type Server } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { type TestContext, test } from "node:test";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import { TunnelError } from "../../src/tunnel/tunnel-error.ts";
import { Reason, StreamError } from "../../src/wire/reason.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { policyOf } from "../policy/given.ts";
import { startTwoAgents, type TwoAgents, uidOf } from "./two-agents.ts";

const start = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;

/** Listens, and says hello to each who comes. */
async function listen(t: TestContext): Promise<number> {
  const server = createServer((socket) => void socket.on("error", () => undefined).write("hello"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function dial(agents: TwoAgents, name: string, person?: string): Promise<Duplex> {
  return agents.origin.dial({ peer: "there", target: { kind: "app" as const, namespace: "shop", name }, person });
}

/** An open stream, of which something has come. */
async function open(agents: TwoAgents, name: string): Promise<Duplex> {
  const stream = await dial(agents, name);
  await once(stream, "data");
  return stream;
}

/** The failure of a dial. */
async function refusal(dialled: Promise<unknown>): Promise<TunnelError> {
  const error: unknown = await dialled.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  assert.ok(error instanceof TunnelError, String(error));
  return error;
}

/** Waits until a stream is reset by the other end because its right is gone; gives the message. */
async function revoked(stream: Duplex): Promise<string> {
  const [error] = await once(stream, "error", { signal: patience() });
  assert.ok(error instanceof StreamError, String(error));
  assert.deepEqual([error.reason, error.remote], [Reason.REVOKED, true]);
  return error.message;
}

function shown(entries: readonly PeeringAuditEntry[]): unknown[] {
  return entries.map(({ action, target, verdict, rule }) => [action, target, verdict, rule].join(" ").trim());
}

const review = (agents: TwoAgents): void => agents.host.exit.review(() => agents.caller);

test("Check every open: what was allowed a moment ago is judged anew, also beside streams that are open", async (t) => {
  await using agents = await startTwoAgents();
  agents.offer("web", await listen(t));
  for (const allowed of [true, false, true, false]) {
    agents.permission = allowed ? { allowed } : { allowed, rule: "grants/apps", message: "No grant." };
    if (allowed) (await open(agents, "web")).pause();
    else assert.equal((await refusal(dial(agents, "web"))).message, "No grant. (rule: grants/apps)");
  }
});

test("Every operation is scoped by the caller's fingerprint first, then by id: a uid opens nobody else's app", async (t) => {
  await using agents = await startTwoAgents();
  const app = agents.offer("web", await listen(t));
  agents.hosted.clear();
  agents.hosted.set("0b".repeat(32), new Map([["shop/web", app]]));
  const target = { kind: "app" as const, namespace: "shop", name: "web", uid: uidOf("web") };
  const error = await refusal(agents.origin.dial({ peer: "there", target }));
  assert.equal(error.failure, "not-found");
  assert.deepEqual(shown(agents.audited.host), ["tunnel.open app/shop/web denied target/not-found"]);
});

test("a right that is withdrawn ends its streams at both ends, with the rule, and leaves the others", async (t) => {
  await using agents = await startTwoAgents();
  const port = await listen(t);
  for (const name of ["web", "other"]) agents.offer(name, port);
  agents.host.exit.review(() => agents.caller, "0b".repeat(32));
  const stream = await open(agents, "web");
  agents.permission = { allowed: false, rule: "tunnels/apps", message: "No policy lets you." };
  agents.host.exit.review(() => agents.caller, "0b".repeat(32));
  assert.equal(agents.audited.host.length, 1, "a review of another peer ends nothing");
  const ended = revoked(stream);
  agents.host.exit.review(() => agents.caller, agents.caller.fingerprint);
  assert.equal(await ended, "No policy lets you. (rule: tunnels/apps)");
  await until("nothing is left", () => agents.host.exit.size === 0);

  const both = ["tunnel.open app/shop/web allowed", "tunnel.revoke app/shop/web done tunnels/apps"];
  assert.deepEqual(shown(agents.audited.host), both);
  assert.deepEqual(shown(agents.audited.origin), both);
  const { host, origin } = agents.audited;
  assert.equal(new Set([...host, ...origin].map(({ correlation }) => correlation)).size, 1, "both call it the same");
  assert.match(host[0]?.correlation ?? "", /^stream:[0-9a-f]{8}\/\d+$/);
});

test("a peer that is removed while its dial is being made hears why", async () => {
  const connecting = Promise.withResolvers<Duplex>();
  let asked = false;
  await using agents = await startTwoAgents({
    dialService: () => {
      asked = true;
      return connecting.promise;
    },
  });
  agents.offer("web", 80);
  const refused = refusal(dial(agents, "web"));
  await until("it is being made", () => asked);
  agents.host.exit.review(() => undefined);
  const error = await refused;
  assert.deepEqual([error.failure, error.message], ["denied", "The peer was removed. (rule: pairing)"]);
  connecting.resolve(duplexPair()[0]);
});

test("a target waits for a person at its first use: who asks hears since when, and what they decide counts at once", async (t) => {
  const clock = createFakeClock(start);
  await using agents = await startTwoAgents({ clock, policy: policyOf({ tunnels: { approval: "FirstUse" } }) });
  agents.offer("web", await listen(t));
  const { inbox } = agents.host;
  const fingerprint = agents.caller.fingerprint;
  const first = await refusal(dial(agents, "web"));
  assert.equal(first.failure, "denied");
  await clock.advance(60_000);
  const second = await refusal(dial(agents, "web"));
  assert.match(
    second.message,
    /fairlead inbox approve here\/app\/shop\/web.*\(rule: tunnels\/approval\); it has waited since 2026-01-01T00:00:00\.000Z$/,
  );
  assert.equal(
    (await refusal(dial(agents, "nonesuch"))).failure,
    "not-found",
    "nobody is asked about what is not there",
  );
  const [item, ...more] = inbox.pending();
  assert.equal(more.length, 0);
  assert.deepEqual(
    [item?.peer, item?.target, item?.state, item?.since, item?.lastAskedAt, item?.count, item?.findings[0]?.rule],
    ["here", "app/shop/web", "Held", "2026-01-01T00:00:00.000Z", "2026-01-01T00:01:00.000Z", 2, "tunnels/approval"],
  );

  const word = { fingerprint, verdict: "Approved", by: "ada", message: "For the demo.", lastsMs: 8 * hourMs } as const;
  const decided = await inbox.decide("here", "app/shop/web", word, patience());
  assert.deepEqual([decided.state, decided.decision?.until], ["Approved", "2026-01-01T08:01:00.000Z"]);
  assert.deepEqual(inbox.pending(), [decided]);
  const stream = await open(agents, "web");
  await clock.advance(8 * hourMs - 1);
  assert.equal(stream.destroyed, false, "it holds until its end");
  const ended = revoked(stream);
  await clock.advance(1);
  assert.match(await ended, /rule: tunnels\/approval/);
  assert.deepEqual(inbox.pending(), [], "a decision that is over is none");
  assert.match((await refusal(dial(agents, "web"))).message, /rule: tunnels\/approval/);

  const entries = agents.audited.host;
  assert.deepEqual(shown(entries.filter(({ action }) => action === "tunnel.decide")), [
    "tunnel.decide app/shop/web allowed inbox/approved",
  ]);
  assert.equal(entries.find(({ action }) => action === "tunnel.decide")?.actor.person, "ada");
  assert.ok(shown(entries).includes("tunnel.open app/shop/web held tunnels/approval"));
});

test("what a person denies is refused with their words, ends what is open, and may be decided anew", async (t) => {
  const clock = createFakeClock(start);
  const policy = policyOf({ tunnels: { approval: "FirstUse", approvalLasts: "2h" } });
  await using agents = await startTwoAgents({ clock, policy });
  agents.offer("web", await listen(t));
  const { inbox } = agents.host;
  const { fingerprint } = agents.caller;
  const decide = (verdict: "Approved" | "Denied", message: string) =>
    inbox.decide("here", "app/shop/web", { fingerprint, verdict, by: "ada", message }, patience());
  await refusal(dial(agents, "web"));
  const approved = await decide("Approved", "");
  assert.equal(approved.decision?.until, "2026-01-01T02:00:00.000Z", "as long as the policy says");
  const stream = await open(agents, "web");
  const ended = revoked(stream);
  const denied = await decide("Denied", "Not on Fridays.");
  assert.equal(denied.decision?.until, "", "a denial has no end of its own");
  review(agents);
  assert.match(await ended, /Not on Fridays\. \(rule: inbox\/denied\)/);
  const again = await refusal(dial(agents, "web"));
  assert.match(again.message, /denied app\/shop\/web to peer here: Not on Fridays\. \(rule: inbox\/denied\)/);
  assert.equal(inbox.pending().length, 1, "it waits no more");
  await decide("Approved", "");
  (await open(agents, "web")).destroy();
});

test("a decision is about what its person saw: not another agent with the name, nothing that did not wait, no odd time", async (t) => {
  await using agents = await startTwoAgents({ policy: policyOf({ tunnels: { approval: "FirstUse" } }) });
  agents.offer("web", await listen(t));
  await refusal(dial(agents, "web"));
  const { fingerprint } = agents.caller;
  const decide = (peer: string, target: string, more: object = {}) =>
    agents.host.inbox.decide(peer, target, { fingerprint, verdict: "Approved", ...more }, patience());
  await assert.rejects(decide("here", "app/shop/web", { fingerprint: "0b".repeat(32) }), { code: "precondition" });
  await assert.rejects(decide("nobody", "app/shop/web"), { code: "not-found" });
  await assert.rejects(decide("here", "app/shop/other"), { code: "not-found" });
  for (const lastsMs of [0, -1, Number.NaN]) {
    await assert.rejects(decide("here", "app/shop/web", { lastsMs }), { code: "invalid" });
  }
  assert.equal(agents.roster.get("here")?.tunnelDecisions, undefined);
});

test("what waits, waits no more when the policy does not ask any more", async (t) => {
  await using agents = await startTwoAgents();
  agents.offer("web", await listen(t));
  agents.permission = { allowed: false, rule: "tunnels/approval", message: "It waits.", held: true };
  await refusal(dial(agents, "web"));
  assert.equal(agents.host.inbox.pending().length, 1);
  agents.permission = { allowed: true };
  assert.equal(agents.host.inbox.pending().length, 0);
});

test("streams end when the time passes until which a policy lets things be reached", async (t) => {
  const clock = createFakeClock(start);
  const policy = policyOf({ tunnels: { until: "2026-03-01T00:00:00Z" } });
  await using agents = await startTwoAgents({ clock, policy });
  agents.offer("web", await listen(t));
  const stream = await open(agents, "web");
  await clock.advance(59 * 24 * hourMs - 1);
  assert.equal(stream.destroyed, false);
  const ended = revoked(stream);
  await clock.advance(1);
  assert.match(await ended, /until 2026-03-01T00:00:00\.000Z.*\(rule: tunnels\/until\)/);
  assert.match((await refusal(dial(agents, "web"))).message, /rule: tunnels\/until/);
});

test("streams end within a minute of that time when the wall clock leaps over it", async (t) => {
  const clock = createFakeClock(start);
  await using agents = await startTwoAgents({
    clock,
    policy: policyOf({ tunnels: { until: "2026-03-01T00:00:00Z" } }),
  });
  agents.offer("web", await listen(t));
  const ended = revoked(await open(agents, "web"));
  clock.jump(90 * 24 * hourMs);
  await clock.advance(60_000);
  assert.match(await ended, /rule: tunnels\/until/);
});

/** A door to the app that knows who comes by what they say. */
function startDoor(agents: TwoAgents): { server: Server; ask(person: string): Promise<Response> } {
  const server = createHttpServer((req, res) => {
    const destination = {
      peer: "there",
      target: { kind: "app" as const, namespace: "shop", name: "web" },
      person: req.headers.from,
    };
    const arrival = { scheme: "http", host: "web", clientAddress: "127.0.0.1" } as const;
    const passage = { destination, path: "/", arrival, consoleCookies: [], stripAuthorization: false };
    agents.origin.http.forward(req, res, { ...passage, scheme: "http" }).catch((error: unknown) => {
      const failure = error instanceof TunnelError ? `${error.failure}: ${error.message}` : String(error);
      res.writeHead(403).end(failure);
    });
  }).listen(0, "127.0.0.1");
  return {
    server,
    async ask(from) {
      if (!server.listening) await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      return fetch(`http://127.0.0.1:${port}/`, { headers: { from }, signal: patience() });
    },
  };
}

test("through HTTP an answer that runs is cut, and the next request is refused with the reason", async (t) => {
  const app = createHttpServer((_req, res) => void res.write("begun"));
  app.listen(0, "127.0.0.1");
  await once(app, "listening");
  await using agents = await startTwoAgents();
  agents.offer("web", (app.address() as AddressInfo).port);
  const door = startDoor(agents);
  t.after(() => {
    for (const server of [app, door.server]) server.close().closeAllConnections();
  });
  const { ask } = door;
  const running = (await ask("ada")).body?.getReader();
  assert.equal(Buffer.from((await running?.read())?.value ?? []).toString(), "begun");
  agents.permission = { allowed: false, rule: "tunnels/apps", message: "No policy lets you." };
  const cut = assert.rejects(async () => running?.read(), /terminated/);
  review(agents);
  await cut;
  const next = await ask("bob");
  assert.equal(next.status, 403);
  assert.equal(await next.text(), "denied: No policy lets you. (rule: tunnels/apps)");
  const people = agents.audited.origin.map(({ action, verdict, actor }) => [action, verdict, actor.person, actor.peer]);
  assert.deepEqual(people, [
    ["tunnel.open", "allowed", "ada", "there"],
    ["tunnel.revoke", "done", "ada", "there"],
    ["tunnel.open", "denied", "bob", "there"],
  ]);
});

test("people do not share connections, so that the record names for each who opened it", async (t) => {
  const app = createHttpServer((_req, res) => void res.end("hello"));
  app.listen(0, "127.0.0.1");
  await once(app, "listening");
  const clock = createFakeClock(start);
  await using agents = await startTwoAgents({ clock });
  agents.offer("web", (app.address() as AddressInfo).port);
  const door = startDoor(agents);
  t.after(() => {
    for (const server of [app, door.server]) server.close().closeAllConnections();
  });
  for (const person of ["ada", "ada", "bob"]) assert.equal(await (await door.ask(person)).text(), "hello");
  assert.deepEqual(
    agents.audited.origin.map(({ actor }) => actor.person),
    ["ada", "bob"],
  );
});

test("a peer that opens what it may not, as fast as it can, fills neither the record nor the inbox", async (t) => {
  const clock = createFakeClock(start);
  await using agents = await startTwoAgents({ clock, policy: policyOf({ tunnels: { approval: "FirstUse" } }) });
  const port = await listen(t);
  for (let count = 0; count < 100; count += 1) agents.offer(`web-${count}`, port);
  for (let count = 0; count < 400; count += 1) {
    const error = await refusal(dial(agents, count % 2 === 0 ? `web-${count % 100}` : `none-${count}`));
    assert.ok(["denied", "not-found"].includes(error.failure));
  }
  assert.ok(agents.audited.host.length <= 60, `${agents.audited.host.length} entries`);
  assert.equal(agents.host.inbox.pending().length, 32);
  await clock.advance(10_000);
  assert.ok(agents.audited.host.length <= 71, `${agents.audited.host.length} entries`);
  assert.match(
    agents.audited.host.at(-1)?.message ?? "",
    /^\(the last of \d+ such, of which the others are only counted\)/,
  );
});
