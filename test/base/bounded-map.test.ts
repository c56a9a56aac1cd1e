import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedMap } from "../../src/base/bounded-map.ts";
import { createPlaces } from "../../src/base/places.ts";

test("what was set longest ago goes for what is new, and nothing else", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1).set("b", 2).set("a", 3);
  assert.deepEqual(
    [...map],
    [
      ["b", 2],
      ["a", 3],
    ],
  );
  map.set("c", 4);
  assert.deepEqual(
    [...map],
    [
      ["a", 3],
      ["c", 4],
    ],
  );
  assert.equal(
    map.touch("a", () => assert.fail("it is there")),
    3,
  );
  assert.equal(
    map.touch("d", () => 5),
    5,
  );
  assert.deepEqual([...map.keys()], ["a", "d"]);
});

test("places are so many of one and so many of all, and each is given back once", () => {
  const places = createPlaces({ ofOne: 2, all: 3 });
  const back = places.take("ann");
  places.take("ann");
  assert.equal(places.take("ann"), "own");
  places.take("ben");
  assert.equal(places.take("cid"), "all");
  assert.ok(typeof back === "function");
  back();
  back();
  assert.equal(typeof places.take("ann"), "function");
  assert.equal(places.take("cid"), "all");
});
