import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { explainError } from "../../../src/client/explain.ts";
import { createListing, type ListOf, type ListRequest, type Page } from "../../../src/console/api/listing.ts";
import { tokenLifeMs } from "../../../src/console/api/page-token.ts";

interface Boat {
  readonly name: string;
  readonly harbours: readonly string[];
  readonly masts: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

const boats: ListOf<Boat> = {
  kind: "boats",
  key: ({ name }) => name,
  labels: ({ labels }) => labels,
  fields: { name: ({ name }) => name, harbour: ({ harbours }) => harbours, masts: ({ masts }) => masts },
};

const boat = (name: string, more: Partial<Boat> = {}): Boat => ({
  name,
  harbours: [],
  masts: undefined,
  labels: {},
  ...more,
});

const asked = (more: Partial<ListRequest> = {}): ListRequest => ({
  labelSelector: "",
  fieldSelector: "",
  orderBy: "",
  pageSize: 0,
  pageToken: "",
  ...more,
});

function listingAt(time: { now: number }, key = "k"): ReturnType<typeof createListing> {
  return createListing({ key: Buffer.from(key), now: () => time.now });
}

const listing = listingAt({ now: 0 });
const names = ({ items }: Page<Boat>): string[] => items.map(({ name }) => name);
const refused =
  (code: Code, text: RegExp) =>
  (error: unknown): boolean =>
    error instanceof ConnectError &&
    error.code === code &&
    text.test(error.rawMessage) &&
    explainError(error).violations.length === (code === Code.InvalidArgument ? 1 : 0);

suite("a list", () => {
  const fleet = [
    boat("c", { masts: 2, harbours: ["oslo"], labels: { app: "shop" } }),
    boat("a", { masts: 10, harbours: ["berlin", "oslo"] }),
    boat("b", { harbours: ["berlin"], labels: { app: "shop", tier: "web" } }),
  ];

  for (const [what, request, expected] of [
    ["comes by its key", {}, ["a", "b", "c"]],
    ["comes in the order of a field, what has none first", { orderBy: "masts" }, ["b", "c", "a"]],
    ["comes the other way round", { orderBy: "masts desc" }, ["a", "c", "b"]],
    ["comes in the order of several fields", { orderBy: "harbour desc, name" }, ["c", "a", "b"]],
    ["takes Kubernetes' way to write a field", { orderBy: "{.metadata.name} desc" }, ["c", "b", "a"]],
    ["is selected by labels", { labelSelector: "app=shop,!tier" }, ["c"]],
    ["is selected by a field", { fieldSelector: "masts=10" }, ["a"]],
    ["is selected by one of several values", { fieldSelector: "spec.harbour==oslo" }, ["a", "c"]],
    ["is selected by what a field is not", { fieldSelector: "harbour!=oslo" }, ["b"]],
    ["is selected by a field that says nothing", { fieldSelector: "masts=" }, ["b"]],
    ["is selected by fields and labels together", { fieldSelector: "harbour=berlin", labelSelector: "tier" }, ["b"]],
  ] as const) {
    test(what, () => {
      assert.deepEqual(names(listing(boats, fleet, asked(request))), expected);
    });
  }

  test("says which words it cannot read, and what it knows", () => {
    for (const [request, text] of [
      [{ labelSelector: "a b c" }, /"a b c" is no label selector/],
      [{ fieldSelector: "masts" }, /"masts" is no field selector/],
      [{ fieldSelector: "colour=red" }, /boats have no field "colour".*name, harbour, masts/],
      [{ fieldSelector: "constructor=red" }, /no field "constructor"/],
      [{ orderBy: "colour" }, /no field "colour"/],
      [{ orderBy: "name up" }, /"name up" is no order/],
      [{ orderBy: "name,,masts" }, /"" is no order/],
      [{ orderBy: Array(9).fill("name").join() }, /8 fields at most/],
    ] as const) {
      assert.throws(() => listing(boats, fleet, asked(request)), refused(Code.InvalidArgument, text));
    }
  });

  test("has a thousand on a page unless said, and says how many there are", () => {
    const many = Array.from({ length: 1_201 }, (_, at) => boat(String(at).padStart(5, "0")));
    const page = listing(boats, many, asked());
    assert.equal(page.items.length, 1_000);
    assert.equal(page.totalSize, 1_201);
    const rest = listing(boats, many, asked({ pageToken: page.nextPageToken }));
    assert.deepEqual([rest.items.length, rest.nextPageToken, rest.totalSize], [201, "", 1_201]);
  });
});

suite("a page token", () => {
  const fleet = ["a", "b", "c", "d"].map((name) => boat(name, { masts: 1 }));
  const first = listing(boats, fleet, asked({ pageSize: 2, orderBy: "masts" }));

  test("goes on behind the last one, whatever became of it, and with another size if one likes", () => {
    const later = fleet.filter(({ name }) => name !== "b");
    const next = asked({ pageToken: first.nextPageToken, pageSize: 9, orderBy: "masts" });
    assert.deepEqual(names(listing(boats, later, next)), ["c", "d"]);
  });

  test("of another question is refused", () => {
    const { nextPageToken: pageToken } = first;
    for (const other of [{ orderBy: "" }, { orderBy: "masts desc" }, { orderBy: "masts", labelSelector: "!x" }]) {
      assert.throws(
        () => listing(boats, fleet, asked({ pageToken, ...other })),
        refused(Code.InvalidArgument, /not of this list/),
      );
    }
    const others = { ...boats, kind: "ships" };
    assert.throws(
      () => listing(others, fleet, asked({ pageToken, orderBy: "masts" })),
      refused(Code.InvalidArgument, /not of this list/),
    );
  });

  test("that was changed anywhere is refused, and nothing else comes of it", () => {
    const token = first.nextPageToken;
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(..."AZaz09-_.="), (at, char) => {
        fc.pre(token[at] !== char);
        const changed = token.slice(0, at) + char + token.slice(at + 1);
        assert.throws(
          () => listing(boats, fleet, asked({ pageToken: changed, orderBy: "masts" })),
          (error) => error instanceof ConnectError && /page_token/.test(error.rawMessage),
        );
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (pageToken) => {
        fc.pre(pageToken !== "");
        assert.throws(() => listing(boats, fleet, asked({ pageToken })), ConnectError);
      }),
      { numRuns: 300 },
    );
  });

  test("is over after an hour, and with the agent that gave it", () => {
    const time = { now: 5 };
    const request = asked({ pageSize: 1 });
    const { nextPageToken: pageToken } = listingAt(time)(boats, fleet, request);
    time.now = 5 + tokenLifeMs;
    assert.deepEqual(names(listingAt(time)(boats, fleet, asked({ pageToken, pageSize: 1 }))), ["b"]);
    time.now += 1;
    const over = refused(Code.FailedPrecondition, /from its beginning/);
    assert.throws(() => listingAt(time)(boats, fleet, asked({ pageToken })), over);
    assert.throws(() => listingAt(time, "another")(boats, fleet, asked({ pageToken })), over);
  });
});

const anyBoat: fc.Arbitrary<Boat> = fc.record({
  name: fc.stringMatching(/^[a-c]{1,4}$/),
  harbours: fc.array(fc.constantFrom("oslo", "berlin", "tokyo"), { maxLength: 2 }),
  masts: fc.option(fc.integer({ min: -2, max: 12 }), { nil: undefined }),
  labels: fc.dictionary(fc.constantFrom("app", "tier"), fc.constantFrom("x", "y", "")),
});
const anyFleet = fc.uniqueArray(anyBoat, { selector: ({ name }) => name, maxLength: 40 });
const anyRequest = fc.record({
  label: fc.option(fc.tuple(fc.constantFrom("app", "tier"), fc.boolean(), fc.constantFrom("x", "y", "")), {
    nil: undefined,
  }),
  masts: fc.option(fc.tuple(fc.boolean(), fc.constantFrom("", "1", "10")), { nil: undefined }),
  order: fc.array(fc.tuple(fc.constantFrom("name", "harbour", "masts"), fc.boolean()), { maxLength: 3 }),
});
type Asked = typeof anyRequest extends fc.Arbitrary<infer R> ? R : never;

function requestOf({ label, masts, order }: Asked): ListRequest {
  return asked({
    labelSelector: label ? `${label[0]}${label[1] ? "=" : "!="}${label[2]}` : "",
    fieldSelector: masts ? `masts${masts[0] ? "=" : "!="}${masts[1]}` : "",
    orderBy: order.map(([field, descends]) => `${field}${descends ? " desc" : ""}`).join(", "),
  });
}

/** The same, as one would write it who has all the time there is: by comparing each with each. */
function naively(fleet: readonly Boat[], { label, masts, order }: Asked): string[] {
  const left = fleet.filter((one) => {
    if (label && ((one.labels[label[0]] ?? "none") === label[2]) !== label[1]) return false;
    return !masts || (String(one.masts ?? "") === masts[1]) === masts[0];
  });
  const isBefore = (a: Boat, b: Boat): boolean => {
    for (const [field, descends] of order) {
      const [x, y] = descends ? [b, a] : [a, b];
      if (field === "masts" && x.masts !== y.masts) {
        return x.masts === undefined || (y.masts !== undefined && x.masts < y.masts);
      }
      const [p, q] = field === "name" ? [x.name, y.name] : [x.harbours[0] ?? "", y.harbours[0] ?? ""];
      if (field !== "masts" && p !== q) return p < q;
    }
    return a.name < b.name;
  };
  return left
    .map((one) => ({ name: one.name, at: left.filter((other) => isBefore(other, one)).length }))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name);
}

suite("lists, whatever is in them", () => {
  test("are what comparing each with each finds, on pages of any size", () => {
    fc.assert(
      fc.property(anyFleet, anyRequest, fc.integer({ min: 1, max: 12 }), (fleet, wanted, pageSize) => {
        const expected = naively(fleet, wanted);
        const request = { ...requestOf(wanted), pageSize };
        assert.deepEqual(names(listing(boats, fleet, { ...request, pageSize: 0 })), expected);
        const read: string[] = [];
        let pageToken = "";
        do {
          const page = listing(boats, fleet, { ...request, pageToken });
          assert.equal(page.totalSize, expected.length);
          assert.ok(page.items.length === pageSize || page.nextPageToken === "");
          read.push(...names(page));
          assert.ok(read.length <= expected.length, "something came twice");
          pageToken = page.nextPageToken;
        } while (pageToken !== "");
        assert.deepEqual(read, expected);
      }),
      { numRuns: 300 },
    );
  });

  test("show what stays where it is exactly once, whatever comes and goes between two pages", () => {
    fc.assert(
      fc.property(
        anyFleet,
        anyFleet,
        anyRequest,
        fc.integer({ min: 1, max: 5 }),
        (before, coming, wanted, pageSize) => {
          const request = { ...requestOf(wanted), pageSize };
          const stays = before.filter((_, at) => at % 2 === 0);
          const known = new Set(before.map(({ name }) => name));
          const after = [...stays, ...coming.filter(({ name }) => !known.has(name))];
          const first = listing(boats, before, request);
          const read = names(first);
          let pageToken = first.nextPageToken;
          while (pageToken !== "") {
            const page = listing(boats, after, { ...request, pageToken });
            read.push(...names(page));
            assert.ok(read.length <= before.length + after.length, "something came twice");
            pageToken = page.nextPageToken;
          }
          for (const name of naively(stays, wanted)) assert.equal(read.filter((one) => one === name).length, 1, name);
          assert.equal(new Set(read).size, read.length);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("of 5,000 look at each thing once for each word of the question, whatever the order", () => {
    const fleet = Array.from({ length: 5_000 }, (_, at) =>
      boat(`namespace-${at % 50}/boat-${(at * 7_919) % 5_000}`, { masts: at % 9, labels: { app: `a${at % 20}` } }),
    );
    const looks = { labels: 0, masts: 0, name: 0 };
    const counted: ListOf<Boat> = {
      ...boats,
      labels(one) {
        looks.labels += 1;
        return one.labels;
      },
      fields: {
        ...boats.fields,
        masts(one) {
          looks.masts += 1;
          return one.masts;
        },
        name(one) {
          looks.name += 1;
          return one.name;
        },
      },
    };
    const request = asked({ pageSize: 100, orderBy: "masts desc, name", labelSelector: "app!=a3" });
    assert.equal(listing(counted, fleet, request).items.length, 100);
    assert.deepEqual(looks, { labels: 5_000, masts: 4_750, name: 4_750 });
  });
});
