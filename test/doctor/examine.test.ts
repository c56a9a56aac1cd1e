/** What the doctor makes of links that real agents have had. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createDoctor } from "../../src/doctor/doctor.ts";
import { type Finding, Finding_Level } from "../../src/gen/fairlead/console/v1/doctor_service_pb.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { acquaint, createCuttable, startAgent, startPair, type TestAgent } from "../peering/agents.ts";

async function examine({ peering, fingerprint }: TestAgent, peer: string, now = Date.now): Promise<Finding[]> {
  const { switchboard, roster } = peering;
  const doctor = createDoctor({
    clock: { ...createFakeClock(), now },
    version: "0.0.1-test",
    fingerprint,
    url: undefined,
    outer: undefined,
    proxy: undefined,
    peers: roster,
    look: (name) => switchboard.look(name),
    transport: (name) => switchboard.transport(name),
    buffers: async () => undefined,
    images: () => undefined,
  });
  const found: Finding[] = [];
  for await (const finding of doctor.examine(peer, patience())) found.push(finding);
  return found;
}

function of(found: readonly Finding[], check: string): Finding {
  const finding = found.find((one) => one.check === check);
  assert.ok(finding, `${check} is among ${found.map((one) => one.check).join(", ")}`);
  return finding;
}

test("a middlebox that cuts connections is found by when they were cut", async (t) => {
  const { a, clock, way } = await startIdlePair(t);
  for (let cut = 1; cut <= 3; cut += 1) {
    await clock.advance(9_000);
    way.cut();
    await until("it is lost", () => (a.peering.switchboard.look("berlin")?.past.length ?? 0) >= cut);
    a.peering.switchboard.reconnect("berlin");
    await until("it goes on", () => a.peering.switchboard.status("berlin").state === "connected");
    await until("both ends are on it", () => (a.peering.switchboard.look("berlin")?.totals.resumes ?? 0) >= cut);
  }
  const cutOffs = of(await examine(a, "berlin", () => clock.now()), "cut-offs");
  assert.notEqual(cutOffs.level, Finding_Level.OK, cutOffs.summary);
  // Whether something was said in those seconds is up to the agents.
  assert.match(cutOffs.summary, /^connections end after ~9 s/);
  const past = a.peering.switchboard.look("berlin")?.past ?? [];
  assert.ok(past.every(({ ageMs, silentMs = -1 }) => ageMs === 9_000 && silentMs >= 0 && silentMs <= 9_000));
});

async function startIdlePair(t: TestContext) {
  const clock = createFakeClock(Date.now());
  const a = await startAgent(t, { name: "aachen", clock });
  const b = await startAgent(t, { name: "berlin", clock });
  const way = await createCuttable(t, b.port);
  await acquaint(a, b, { urlOfB: way.url });
  await Promise.all([a.connected("berlin"), b.connected("aachen")]);
  return { a, b, clock, way };
}

test("a peer whose clock is off is told of by the peer itself", async (t) => {
  const { a } = await startPair(t);
  const agree = of(await examine(a, "berlin"), "clock");
  assert.equal(agree.level, Finding_Level.OK, agree.summary);
  const behind = of(await examine(a, "berlin", () => Date.now() + 600_000), "clock");
  assert.equal(behind.level, Finding_Level.WARNING);
  assert.match(behind.summary, /^the peer's clock is 10 min behind ours/);
});

test("a peer that dials is not gone to, and one that is away is told of with why", async (t) => {
  const { a, b } = await startPair(t, { b: { reachable: false } });
  assert.match(of(await examine(a, "berlin"), "reach").summary, /it dials this agent/);
  await b.close();
  await until("it is away", () => a.peering.switchboard.status("berlin").state !== "connected");
  const found = await examine(a, "berlin");
  assert.notEqual(of(found, "link").level, Finding_Level.OK);
  assert.equal(
    found.some(({ check }) => check === "clock"),
    false,
    "nobody is asked who is not there",
  );
});
