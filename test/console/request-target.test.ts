import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { climbsOut, readRequestTarget } from "../../src/console/doors/request-target.ts";

const piece = fc.constantFrom(
  "..",
  ".",
  "%2e%2e",
  ".%2E",
  "a",
  "%2f",
  "/",
  "//",
  "%5c",
  "\\",
  "%00",
  "%",
  "%zz",
  "?",
  "#",
  "%c0%af",
  "ü",
  ";",
);
const path = fc.array(piece, { maxLength: 14 }).map((pieces) => `/${pieces.join("")}`);

test("whatever a stranger asks for is read without a defect, and what is let through leads out of nothing", () => {
  fc.assert(
    fc.property(fc.oneof(path, fc.string(), fc.string({ unit: "binary" })), (url) => {
      const target = readRequestTarget(url);
      if (!target.ok) return;
      assert.equal(target.path + target.query, url);
      assert.ok(!target.normal.split("/").includes(".."));
      if (climbsOut(target.path)) return;
      // A reader that decodes it once and resolves it below its folder stays there.
      const read = new URL(
        `http://x/folder${decodeURIComponent(target.path).replaceAll("?", "%3f").replaceAll("#", "%23")}`,
      );
      assert.ok(read.pathname === "/folder" || read.pathname.startsWith("/folder/"), read.pathname);
    }),
    { numRuns: 1_000 },
  );
});
