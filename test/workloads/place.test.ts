/** Which peers run an app. Pure. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { AppPlacementSchema } from "../../src/gen/fairlead/resources/v1alpha1/placement_pb.ts";
import { type Candidate, type PlaceRequest, place } from "../../src/workloads/origin/place.ts";

const names = ["aomori", "beppu", "chiba", "fukui", "gifu", "himeji", "ise"];

function peer(name: string, o: Partial<Candidate> = {}): Candidate {
  return { name, labels: {}, facts: {}, connected: true, isAway: false, ...o };
}

function request(
  o: Partial<Omit<PlaceRequest, "placement">> & { placement?: MessageInitShape<typeof AppPlacementSchema> },
): PlaceRequest {
  const { placement = {}, ...more } = o;
  const whole = create(AppPlacementSchema, { count: 1, move: "Gone", unreachableSeconds: 300, ...placement });
  return { uid: "u-1", holders: [], barred: [], candidates: [], ...more, placement: whole };
}

test("labels and facts choose, and a peer that is not connected gets nothing new", () => {
  const candidates = [
    peer("aomori", { labels: { tier: "prod" }, facts: { architecture: "amd64,arm64" } }),
    peer("beppu", { labels: { tier: "prod" }, facts: { architecture: "amd64" } }),
    peer("chiba", { labels: { tier: "test" }, facts: { architecture: "arm64" } }),
    peer("fukui", { labels: { tier: "prod" }, facts: { architecture: "arm64" }, connected: false }),
    peer("gifu", { labels: { tier: "prod" }, facts: undefined }),
  ];
  const placement = { count: 0, selector: { matchLabels: { tier: "prod" } }, facts: { architecture: "arm64" } };
  const placing = place(request({ placement, candidates }));
  assert.deepEqual(placing.chosen, ["aomori"]);
  assert.deepEqual([placing.missing, placing.matching, placing.connected], [1, 2, 1]);
});

test("who holds it and has not said anything of itself since is taken to be what it was", () => {
  const candidates = [peer("aomori", { facts: undefined }), peer("beppu", { facts: { region: "north" } })];
  const placement = { facts: { region: "north" } };
  assert.deepEqual(place(request({ placement, holders: ["aomori"], candidates })).chosen, ["aomori"]);
});

test("a peer that refuses is left only for one that said it would take it, is tried last, and Never stays", () => {
  const refusing = peer("aomori", { would: "refuse" });
  const chosen = (others: Candidate[], o: Parameters<typeof request>[0] = {}): readonly string[] =>
    place(request({ holders: ["aomori"], candidates: [refusing, ...others], ...o })).chosen;
  assert.deepEqual(chosen([peer("beppu")]), ["aomori"], "nobody knows what beppu would do");
  assert.deepEqual(chosen([peer("beppu", { would: "refuse" })]), ["aomori"]);
  assert.deepEqual(chosen([peer("beppu", { would: "hold" }), peer("chiba", { would: "run" })]), ["chiba"]);
  assert.deepEqual(chosen([peer("beppu", { would: "run" })], { placement: { move: "Never" } }), ["aomori"]);
  assert.deepEqual(chosen([peer("beppu")], { holders: [] }), ["beppu"]);
  assert.deepEqual(chosen([], { holders: [] }), ["aomori"], "somebody has to say no");
});

test("a peer that is away for too long is left with Unreachable alone, and only when there is another", () => {
  const away = peer("aomori", { connected: false, isAway: true });
  const chosen = (move: string, others: Candidate[]): readonly string[] =>
    place(request({ placement: { move }, holders: ["aomori"], candidates: [away, ...others] })).chosen;
  assert.deepEqual(chosen("Unreachable", [peer("beppu")]), ["beppu"]);
  assert.deepEqual(chosen("Unreachable", []), ["aomori"]);
  assert.deepEqual(chosen("Unreachable", [peer("beppu", { connected: false })]), ["aomori"]);
  assert.deepEqual(chosen("Gone", [peer("beppu")]), ["aomori"]);
});

test("no value of what it is spread over gets a second before each has one", () => {
  const regions: Record<string, string> = { aomori: "n", beppu: "s", chiba: "n", fukui: "n", gifu: "s", himeji: "w" };
  const candidates = Object.entries(regions).map(([name, region]) => peer(name, { facts: { region } }));
  for (const uid of ["u-1", "u-2", "u-3", "u-4"]) {
    const { chosen } = place(request({ uid, placement: { count: 4, spread: "region" }, candidates }));
    assert.equal(new Set(chosen.map((name) => regions[name])).size, 3, `${chosen}`);
  }
});

const candidates = fc.uniqueArray(fc.constantFrom(...names), { minLength: 0 }).chain((some) =>
  fc.tuple(
    ...some.map((name) =>
      fc
        .record({
          name: fc.constant(name),
          labels: fc.constantFrom<Record<string, string>[]>({}, { tier: "prod" }, { tier: "test" }),
          facts: fc.constantFrom<(Record<string, string> | undefined)[]>(undefined, { region: "n" }, { region: "s" }),
          connected: fc.boolean(),
          isLong: fc.boolean(),
          would: fc.constantFrom(undefined, "run" as const, "hold" as const, "refuse" as const),
        })
        .map(({ isLong, ...one }) => ({ ...one, isAway: isLong && !one.connected })),
    ),
  ),
);
const requests = fc
  .record({
    uid: fc.constantFrom("u-1", "u-2", "u-3"),
    holders: fc.subarray(names),
    barred: fc.subarray(names),
    candidates,
    placement: fc.record({
      count: fc.integer({ min: 0, max: 8 }),
      move: fc.constantFrom("Never", "Gone", "Unreachable"),
      spread: fc.constantFrom(undefined, "region", "tier"),
      facts: fc.constantFrom<Record<string, string>[]>({}, { region: "n" }),
      selector: fc.constantFrom(undefined, { matchLabels: { tier: "prod" } }),
    }),
  })
  .map(({ placement: { spread, selector, ...rest }, barred, holders, ...o }) =>
    request({
      ...o,
      holders: [...holders].sort(),
      barred: barred.filter((name) => !holders.includes(name)),
      placement: { ...rest, ...(spread && { spread }), ...(selector && { selector }) },
    }),
  );

test("a placing is the same for the same input, in whatever order it comes", () => {
  fc.assert(
    fc.property(requests, (o) => {
      assert.deepEqual(place({ ...o, candidates: o.candidates.toReversed() }), place(o));
    }),
    { numRuns: 500 },
  );
});

test("never are more chosen than it is to run at, nobody twice, and nobody who may not", () => {
  fc.assert(
    fc.property(requests, (o) => {
      const { chosen, limit } = place(o);
      assert.ok(chosen.length <= limit);
      assert.equal(new Set(chosen).size, chosen.length);
      for (const name of chosen) {
        if (o.holders.includes(name)) continue;
        const found = o.candidates.find((one) => one.name === name);
        assert.ok(found?.connected && !o.barred.includes(name), name);
        if (o.placement.selector) assert.equal(found.labels.tier, "prod");
        if (o.placement.facts.region) assert.equal(found.facts?.region, "n");
      }
    }),
    { numRuns: 1000 },
  );
});

test("what is chosen stays chosen: once it is done, nothing moves without another cause", () => {
  fc.assert(
    fc.property(requests, (o) => {
      const first = place(o);
      const again = place({ ...o, holders: first.chosen });
      assert.deepEqual(again.chosen, first.chosen);
    }),
    { numRuns: 1000 },
  );
});

test("a holder with nothing against it stays, unless there are too many", () => {
  fc.assert(
    fc.property(requests, (o) => {
      const { chosen, limit } = place(o);
      if (o.holders.length > limit) return;
      for (const name of o.holders) {
        const found = o.candidates.find((one) => one.name === name);
        const isWanted =
          found &&
          (!o.placement.selector || found.labels.tier === "prod") &&
          (!o.placement.facts.region || found.facts === undefined || found.facts.region === "n") &&
          found.would !== "refuse" &&
          !found.isAway;
        if (isWanted || o.placement.move === "Never") assert.ok(chosen.includes(name), name);
      }
    }),
    { numRuns: 1000 },
  );
});
