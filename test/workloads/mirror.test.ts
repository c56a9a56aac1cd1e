/** The origin's pure parts: what it decides and what it says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { conditionsFrom, type Finding } from "../../src/workloads/conditions.ts";
import { decide } from "../../src/workloads/origin/decide.ts";
import type { Facts, Heard, NamedPeer, PeerView } from "../../src/workloads/origin/facts.ts";
import { type Holding, nobody } from "../../src/workloads/origin/holding.ts";
import { readHostStatus } from "../../src/workloads/origin/host-status.ts";
import type { Would } from "../../src/workloads/origin/place.ts";
import { remoteApp, wordOf } from "./objects.ts";

const now = Date.UTC(2026, 0, 1);
const up: PeerView = { known: true, connected: true, since: now - 60_000 };
const heldAt = (peer: string) => ({
  finalizers: ["other", "fairlead.dev/remoteapp"],
  annotations: { "fairlead.dev/held-by": peer },
});

function facts({ heard, ...o }: Partial<Omit<Facts, "heard">> & Pick<Facts, "app"> & { heard?: Heard }): Facts {
  const unasked = { peers: () => [], would: () => undefined, endsInMs: () => Number.POSITIVE_INFINITY };
  return { before: undefined, heard: heard ? [heard] : [], word: wordOf(o.app), peer: () => up, now, ...unasked, ...o };
}

const at = (...peers: string[]): Holding => ({ ...nobody, peers });

test("who holds an app is written before anything is wished there", () => {
  assert.deepEqual(decide(facts({ app: remoteApp() })).hold, at("osaka"));
  assert.equal(decide(facts({ app: remoteApp({}, heldAt("osaka")) })).hold, undefined);
});

test("an app with a field that this agent does not understand is not sent anywhere", () => {
  const app = remoteApp({ sidecars: [] });
  const { hold, status } = decide(facts({ app }));
  assert.equal(hold, undefined);
  assert.equal(status?.reason, "UnknownFields");
  assert.match(status?.message ?? "", /spec\.sidecars/);
  assert.equal(wordOf(app).wish, undefined);
});

test("when a host does not know a field, the status names the peers that could run the app, as far as they were asked", () => {
  const app = remoteApp({}, heldAt("osaka"));
  const hash = wordOf(app).wish?.hash ?? "";
  const violation = { rule: "unknown-field", field: "spec.sidecars", message: "it is not known here" };
  const refusal = { reason: "UnknownFields", message: "it has fields that are not known", violations: [violation] };
  const heard: Heard = { peer: "osaka", refused: { hash, refusal } };
  const named = (name: string): NamedPeer => ({ name, labels: {}, facts: undefined });
  const said = (would: Record<string, Would>, rule = violation.rule): string => {
    const all = Object.keys({ osaka: "refuse", ...would }).map(named);
    const violations = [{ ...violation, rule }];
    return (
      decide(
        facts({
          app,
          heard: { ...heard, refused: { hash, refusal: { ...refusal, violations } } },
          peers: () => all,
          would: (peer) => ({ osaka: "refuse" as const, ...would })[peer],
        }),
      ).status?.message ?? ""
    );
  };
  assert.match(
    said({ nara: "run", kyoto: "hold", kobe: "refuse" }),
    / Of the connected peers kyoto, nara could run it\.$/,
  );
  assert.match(said({ kobe: "refuse" }), / No connected peer that was asked could run it\.$/);
  assert.match(said({}), /it has fields that are not known$/, "nobody else was asked");
  assert.doesNotMatch(said({ nara: "run" }, "image"), /could run it/, "another rule is no question of age");
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`p-${index}`, "run" as const]));
  assert.equal(said(many).match(/p-/g)?.length, 16);
});

test("only peers that are connected and have not said yet are asked, and not all of very many", () => {
  const app = remoteApp({}, heldAt("osaka"));
  const hash = wordOf(app).wish?.hash ?? "";
  const refusal = {
    reason: "UnknownFields",
    message: "no",
    violations: [{ rule: "unknown-field", field: "spec.a", message: "no" }],
  };
  const names = ["osaka", "away", "knows", ...Array.from({ length: 30 }, (_, index) => `p-${index + 10}`)];
  const { ask } = decide(
    facts({
      app,
      heard: { peer: "osaka", refused: { hash, refusal } },
      peers: () => names.map((name) => ({ name, labels: {}, facts: undefined })),
      peer: (name) => (name === "away" ? { ...up, connected: false } : up),
      would: (peer) => (peer === "knows" ? "run" : undefined),
    }),
  );
  assert.deepEqual(
    ask,
    Array.from({ length: 16 }, (_, index) => `p-${index + 10}`),
  );
});

test("a deleted app is let go only when its host says that it is gone, or is no peer any more", () => {
  const app = remoteApp({}, { ...heldAt("osaka"), deletionTimestamp: "2026-01-01T00:00:00Z" });
  assert.equal(decide(facts({ app })).hold, undefined);
  assert.equal(decide(facts({ app })).status?.phase, "Deleting");
  assert.deepEqual(decide(facts({ app, heard: { peer: "osaka", gone: true } })).hold, nobody);
  assert.equal(decide(facts({ app, heard: { peer: "kyoto", gone: true } })).hold, undefined, "another peer's word");
  const lost = decide(facts({ app, peer: () => ({ known: false, connected: false, since: 0 }) }));
  assert.deepEqual(lost.hold, nobody);
  assert.equal(lost.happenings[0]?.reason, "PeerGone");
});

test("an app moves when the peer that held it says that it is gone, and not before", () => {
  const app = remoteApp({ peer: "kyoto" }, heldAt("osaka"));
  assert.equal(decide(facts({ app })).status?.reason, "Moving");
  assert.deepEqual(decide(facts({ app, heard: { peer: "osaka", gone: true } })).hold, at("kyoto"));
});

test("a wish names no peer, and is the same for the same spec", () => {
  const wish = wordOf(remoteApp({}, heldAt("osaka"))).wish;
  assert.equal(wish?.spec.includes("osaka"), false);
  assert.equal(wish?.hash, wordOf(remoteApp({}, { ...heldAt("kyoto"), generation: 9 })).wish?.hash);
});

test("a link that is away for seconds says nothing; for longer the last status stays and is called unknown", () => {
  const app = remoteApp({}, heldAt("osaka"));
  const hash = wordOf(app).wish?.hash ?? "";
  const status = readHostStatus(
    '{"phase":"Ready","reason":"AllReady","message":"All of its 2 pods are ready.","readyReplicas":2}',
  );
  const heard = { peer: "osaka", state: { generation: 1, hash, status, at: now } };
  const first = decide(facts({ app, heard })).status;
  assert.equal(first?.phase, "Ready");
  const blink = decide(
    facts({ app, heard, before: first, peer: () => ({ ...up, connected: false, since: now - 3000 }) }),
  );
  assert.equal(blink.status?.phase, "Ready");
  assert.equal(blink.againMs, 7000);
  assert.deepEqual(blink.happenings, []);
  const away = decide(
    facts({ app, heard, before: first, peer: () => ({ ...up, connected: false, since: now - 10_000 }) }),
  );
  assert.equal(away.status?.phase, "Unknown");
  assert.equal(away.status?.readyReplicas, 2);
  assert.equal(away.status?.unknownSince, "2025-12-31T23:59:50Z");
  assert.deepEqual(
    away.status?.conditions.map(({ type, status }) => `${type} ${status}`),
    ["Admitted True", "Ready Unknown", "Progressing Unknown", "Connected False"],
  );
  assert.equal(away.happenings[0]?.type, "Warning");
});

test("a refusal of the present wish is shown, one of an earlier wish is not", () => {
  const app = remoteApp({}, heldAt("osaka"));
  const hash = wordOf(app).wish?.hash ?? "";
  const refusal = { reason: "Denied", message: "no grant", violations: [] };
  const denied = decide(facts({ app, heard: { peer: "osaka", refused: { hash, refusal } } })).status;
  assert.equal(denied?.phase, "Denied");
  assert.equal(denied?.message, "osaka: no grant");
  assert.equal(denied?.conditions.find(({ type }) => type === "Admitted")?.status, "False");
  const older = decide(facts({ app, heard: { peer: "osaka", refused: { hash: "older", refusal } } })).status;
  assert.equal(older?.phase, "Pending");
});

test("one Event tells a change of the phase or its reason, and none a change of words", () => {
  const app = remoteApp({}, heldAt("osaka"));
  const first = decide(facts({ app }));
  assert.equal(first.happenings.length, 1);
  assert.equal(decide(facts({ app, before: first.status })).happenings.length, 0);
});

test("a condition's time moves with its status and with nothing else", () => {
  const finding: Finding = { type: "Ready", status: "False", reason: "RollingOut", message: "0 of 1" };
  const first = conditionsFrom([finding], [], { generation: 1, now });
  const second = conditionsFrom([{ ...finding, reason: "Other", message: "else" }], first, {
    generation: 2,
    now: now + 5000,
  });
  assert.equal(second[0]?.lastTransitionTime, first[0]?.lastTransitionTime);
  assert.equal(second[0]?.observedGeneration, 2);
  const third = conditionsFrom([{ ...finding, status: "True" }], second, { generation: 2, now: now + 5000 });
  assert.equal(third[0]?.lastTransitionTime, "2026-01-01T00:00:05Z");
});

test("what a host says is cut to size, and what the API server would not take is left out", () => {
  const pods = [...Array(200).keys()].map((index) => ({
    name: `p${index % 150}`,
    lastLines: "x".repeat(9999),
    startedAt: "yesterday",
  }));
  const status = readHostStatus(
    JSON.stringify({
      phase: "Degraded",
      reason: "no such word!",
      message: "m".repeat(9999),
      readyReplicas: -4,
      pods,
      later: 1,
    }),
  );
  assert.equal(status.reason, "Degraded");
  assert.equal(status.message?.length, 2048);
  assert.equal(status.readyReplicas, 0);
  assert.equal(status.pods.length, 100);
  assert.equal(status.pods[0]?.lastLines?.length, 4096);
  assert.equal(status.pods[0]?.startedAt, undefined);
  for (const text of ["", "[]", '{"phase":"Nonsense"}', '{"phase":7}'])
    assert.equal(readHostStatus(text).reason, "UnreadableStatus");
});
