import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { silentLog } from "../../src/base/log.ts";
import { ForwardService } from "../../src/gen/fairlead/peer/v1/forward_pb.ts";
import { IntentService } from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { GrantStandingSchema, MembershipService } from "../../src/gen/fairlead/peer/v1/membership_pb.ts";
import { PodService } from "../../src/gen/fairlead/peer/v1/pods_pb.ts";
import { TargetService } from "../../src/gen/fairlead/peer/v1/targets_pb.ts";
import { WorkloadService } from "../../src/gen/fairlead/peer/v1/workload_pb.ts";
import { endedBy } from "../../src/peering/call-rights.ts";
import { setGrants } from "../../src/peering/grants.ts";
import { boundStanding, createStandingWatch } from "../../src/peering/standing-watch.ts";
import { streamHeader } from "../../src/rpc/transport.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { startAgent, startCall, startTimelessPair, type TestAgent } from "./agents.ts";

const hourMs = 3_600_000;

/** Sets what `to` may do at `at`, some of it for a while. */
function grant(at: TestAgent, to: TestAgent, grants: string[], lastsMs: Record<string, number>, now: number) {
  return at.peering.roster.update(to.name, (peer) => setGrants(peer, grants, lastsMs, now), patience());
}

async function isStillOpen(call: { ended: Promise<unknown> }): Promise<boolean> {
  return (await Promise.race([call.ended, new Promise((resolve) => setImmediate(resolve, "open"))])) === "open";
}

test("a grant that is withdrawn ends within a second the calls that needed it, with the rule, and no others", async (t) => {
  const { a, b } = await startTimelessPair(t, ["apps", "tunnels"]);
  const logs = await startCall(b, a, "logs");
  const wishes = await startCall(b, a, "sync");
  const { epoch } = a.peering.switchboard.status("berlin");
  await a.peering.roster.update("berlin", (peer) => ({ ...peer, labels: { tier: "edge" } }), patience());
  await a.peering.roster.update("berlin", (peer) => ({ ...peer, grants: ["apps"] }), patience());
  await a.peering.roster.update("berlin", (peer) => ({ ...peer, grants: [] }), patience());
  const error = await logs.ended;
  assert.equal(error.code, Code.PermissionDenied);
  assert.equal(error.metadata.get("fairlead-reason"), "REVOKED");
  assert.match(
    error.rawMessage,
    /The grant "apps" of peer berlin was withdrawn.*fairlead peer grant berlin apps --add \(rule: grants\/apps\)/,
  );
  assert.ok(await isStillOpen(wishes), "what a wish is worth is judged when it comes");
  assert.equal(a.peering.switchboard.status("berlin").epoch, epoch, "the link lives on");
  await startCall(b, a, "logs");
  assert.deepEqual(a.callers.at(-1)?.grants, [], "the next call has the rights of now");
});

test("Check every open: each call and dial has the rights of its own moment, whatever an earlier one had", async (t) => {
  const { a, b, clock } = await startTimelessPair(t, ["apps"]);
  const target = { $typeName: "fairlead.wire.v1.Target", kind: kubernetes, network: 0 } as const;
  const seen: (readonly string[])[] = [];
  for (const grants of [["apps"], [], ["tunnels"], ["apps", "tunnels"]]) {
    await grant(a, b, grants, {}, clock.now());
    await startCall(b, a, "sync");
    const stream = await b.peering.switchboard.dial("aachen", target);
    stream.destroy();
    seen.push(a.callers.at(-1)?.grants ?? [], a.dialled.at(-1)?.grants ?? []);
  }
  assert.deepEqual(seen, [
    ["apps"],
    ["apps"],
    [],
    [],
    ["tunnels"],
    ["tunnels"],
    ["apps", "tunnels"],
    ["apps", "tunnels"],
  ]);
});

test("a grant with an end is withdrawn by itself at that moment, at both ends, and said so in the record", async (t) => {
  const { a, b, clock } = await startTimelessPair(t, []);
  const end = clock.now() + 5_000;
  await grant(a, b, ["apps", "tunnels"], { apps: 5_000 }, clock.now());
  const logs = await startCall(b, a, "logs");
  assert.deepEqual(a.callers.at(-1)?.grants, ["apps", "tunnels"]);
  const whole = `${new Date(end).toISOString().slice(0, 19)}Z`;
  await until("b shows until when it holds it", () => isDeepStrictEqual(heldBy(b), { apps: whole, tunnels: "" }));
  await clock.advance(4_999);
  assert.ok(await isStillOpen(logs), "not before its end");
  await clock.advance(1);
  const error = await logs.ended;
  assert.equal(error.metadata.get("fairlead-reason"), "REVOKED");
  const at = new Date(end).toISOString();
  assert.ok(error.rawMessage.includes(`The grant "apps" of peer berlin came to its end at ${at}.`));
  assert.ok(error.rawMessage.endsWith("(rule: grants/apps)"));
  await until("b shows that it is gone", () => isDeepStrictEqual(heldBy(b), { tunnels: "" }));
  const { action, target, actor, message } = a.audited.at(-1) ?? {};
  assert.deepEqual([action, target, actor?.peer], ["grant.expire", "apps", "berlin"]);
  assert.match(message ?? "", /came to its end/);
});

test("what an invite gives for a while counts from the join, and what the joiner gives too", async (t) => {
  const clock = createFakeClock(Date.now());
  const a = await startAgent(t, { name: "aachen", clock });
  const b = await startAgent(t, { name: "berlin", clock });
  const line = await a.invite({ grants: ["apps", "kubectl"], grantsLastMs: 8 * hourMs, lifetimeMs: 24 * hourMs });
  await clock.advance(2 * hourMs);
  await b.join(line, { grants: ["tunnels"], grantsLastMs: hourMs });
  const now = clock.now();
  const given = a.peering.roster.get("berlin");
  assert.deepEqual(given?.grantsUntil, { apps: now + 8 * hourMs, kubectl: now + 8 * hourMs });
  assert.deepEqual(b.peering.roster.get("aachen")?.grantsUntil, { tunnels: now + hourMs });
  for (const grantsLastMs of [0, 999, Number.NaN, Number.POSITIVE_INFINITY]) {
    await assert.rejects(a.invite({ grants: ["apps"], grantsLastMs }), { code: "invalid" }, String(grantsLastMs));
  }
});

test("a second invite of a known peer gives what it says, and for as long as it says", async (t) => {
  const { a, b, clock } = await startTimelessPair(t, ["apps", "tunnels"]);
  await b.join(await a.invite({ grants: ["apps"], grantsLastMs: hourMs }));
  assert.deepEqual(a.peering.roster.get("berlin")?.grants, ["apps"]);
  assert.deepEqual(a.peering.roster.get("berlin")?.grantsUntil, { apps: clock.now() + hourMs });
  await b.join(await a.invite({ grants: ["apps"] }));
  assert.equal(a.peering.roster.get("berlin")?.grantsUntil, undefined, "and without an end when it says none");
});

test("Who is calling comes from the link alone: what a peer may do is told to nobody else, whatever is asked", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  const c = await startAgent(t, { name: "celle" });
  await b.join(await a.invite({ grants: ["apps"] }));
  await c.join(await a.invite({ grants: ["kubectl"] }));
  const told = async (from: TestAgent): Promise<string[]> => {
    const client = createClient(MembershipService, from.peering.switchboard.transport("aachen"));
    const end = new AbortController();
    const headers = {
      "fairlead-peer": "celle",
      "x-fingerprint": c.fingerprint,
      "fairlead-stream": "stream:00000000/1",
    };
    for await (const { grants } of client.watchStanding({}, { headers, signal: end.signal })) {
      end.abort();
      return grants.map(({ name }) => name);
    }
    return [];
  };
  assert.deepEqual(await told(b), ["apps"]);
  assert.deepEqual(await told(c), ["kubectl"]);
  await startCall(b, a, "sync");
  const caller = a.callers.at(-1);
  assert.deepEqual([caller?.peer, caller?.fingerprint], ["berlin", b.fingerprint]);
});

test("both ends call a stream the same, in whichever direction it was opened, and no two streams alike", async (t) => {
  const { a, b } = await startTimelessPair(t, ["apps"]);
  const target = { $typeName: "fairlead.wire.v1.Target", kind: kubernetes, network: 0 } as const;
  const names = new Set<string>();
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    let dialled = "";
    const answered = (name: string): void => {
      dialled = name;
    };
    const stream = await from.peering.switchboard.dial(to.name, target, { answered });
    stream.destroy();
    assert.equal(dialled, to.dialled.at(-1)?.correlation);
    let called = "";
    const onHeader = (headers: Headers): void => {
      called = headers.get(streamHeader) ?? "";
    };
    const end = new AbortController();
    const client = createClient(PodService, from.peering.switchboard.transport(to.name));
    for await (const _answer of client.logs({ namespace: "shop", name: "web" }, { onHeader, signal: end.signal }))
      break;
    end.abort();
    assert.equal(called, to.callers.at(-1)?.correlation);
    names.add(dialled).add(called);
  }
  assert.equal(names.size, 4);
  for (const name of names) assert.match(name, /^stream:[0-9a-f]{8}\/\d+$/);
});

test("a watch of one's standing is bounded, and ends with the link and with the pairing", async (t) => {
  const { a, b } = await startTimelessPair(t, ["apps"]);
  const client = createClient(MembershipService, b.peering.switchboard.transport("aachen"));
  const watch = async (): Promise<ConnectError> => {
    try {
      for await (const _standing of client.watchStanding({}, { signal: patience() }));
    } catch (error) {
      return ConnectError.from(error);
    }
    return new ConnectError("ended well", Code.Unknown);
  };
  const watches = Array.from({ length: 12 }, watch);
  const refused = await Promise.race(watches);
  assert.equal(refused.code, Code.ResourceExhausted);
  a.disk.peers.delete("berlin");
  const ends = await Promise.all(watches);
  assert.ok(ends.filter(({ code }) => code === Code.ResourceExhausted).length >= 4);
  assert.ok(ends.every(({ code }) => code === Code.ResourceExhausted || code === Code.Unavailable));
  await until("no call is left", () => a.rpc.running === 0);
});

test("an agent that does not tell what may be done there shows nothing, and is not asked again over that link", async () => {
  let asked = 0;
  const clock = createFakeClock(Date.now());
  const watch = createStandingWatch({
    clock,
    log: silentLog,
    transport: () =>
      createRouterTransport(({ rpc }) => {
        rpc(MembershipService.method.watchStanding, async function* () {
          asked += 1;
          yield* [];
          throw new ConnectError("This agent has no method.", Code.Unimplemented);
        });
      }),
    subscribe(listener) {
      listener("old", { state: "connected", since: 0, held: true, epoch: 1 });
      return () => undefined;
    },
    changed: () => assert.fail("there is nothing to show"),
  });
  await clock.advance(600_000);
  assert.equal(asked, 1);
  assert.equal(watch.held("old"), undefined);
  await watch.close();
  assert.equal(clock.timers, 0);
});

test("of what a peer says that may be done there only what can be shown is kept, once each and not more than 32", () => {
  const say = (...grants: [string, string][]) => ({
    grants: grants.map(([name, until]) => create(GrantStandingSchema, { name, until })),
  });
  assert.deepEqual(boundStanding(say(["tunnels", ""], ["apps", "2026-11-21T12:00:00.123+01:00"])), [
    { name: "apps", until: "2026-11-21T11:00:00Z" },
    { name: "tunnels" },
  ]);
  const nonsense = say(
    ["Apps", ""],
    ["a b", ""],
    ["\u001b[31m", ""],
    ["x".repeat(64), ""],
    ["apps", "tomorrow"],
    ["", ""],
  );
  assert.deepEqual(boundStanding(nonsense), []);
  assert.equal(boundStanding(say(["apps", ""], ["apps", ""])).length, 1);
  const many = Array.from({ length: 10_000 }, (_, number): [string, string] => [`grant-${number}`, ""]);
  assert.equal(boundStanding(say(...many)).length, 32);
});

test("each call ends with the grant that it needs; of a service that nobody thought of, with any", () => {
  const lost = [{ grant: "tunnels" }, { grant: "apps" }];
  const ended = (path: string, grants = lost) => endedBy(path, grants)?.grant;
  assert.equal(ended(`/${PodService.typeName}/Logs`), "apps");
  assert.equal(ended(`/${PodService.typeName}/Logs`, [{ grant: "tunnels" }]), undefined);
  for (const { typeName } of [IntentService, WorkloadService, MembershipService, TargetService, ForwardService]) {
    assert.equal(ended(`/${typeName}/Any`), undefined);
  }
  for (const path of ["/fairlead.peer.v2.PodService/Logs", "/x", "", "//", `${PodService.typeName}/Logs`]) {
    assert.equal(ended(path), "tunnels", path);
  }
});

const kubernetes = { case: "kubernetes", value: { $typeName: "fairlead.wire.v1.KubernetesTarget" } } as const;

/** Of its one peer: until when it holds what there. */
function heldBy(agent: TestAgent): Record<string, string> {
  const held = [...agent.disk.peers.statuses.values()].flatMap(({ grantsHeld }) => grantsHeld);
  return Object.fromEntries(held.map(({ name = "", until = "" }) => [name, until]));
}
