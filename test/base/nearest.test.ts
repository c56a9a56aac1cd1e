import assert from "node:assert/strict";
import { test } from "node:test";
import { findNearest } from "../../src/base/nearest.ts";

const known = ["link.port", "link.host", "console.port", "log.level"];

test("a slip of the keyboard finds its name", () => {
  assert.equal(findNearest("link.prot", known), "link.port");
  assert.equal(findNearest("loglevel", known), "log.level");
  assert.equal(findNearest("LINK_PORT", known), "link.port");
});

test("a name that resembles none finds none", () => {
  assert.equal(findNearest("database.password", known), undefined);
  assert.equal(findNearest("x", known), undefined);
  assert.equal(findNearest("link.port", []), undefined);
});
