import assert from "node:assert/strict";
import { test } from "node:test";
import { isForConsole, mintToken } from "../../../src/console/auth/token.ts";

const tokenFor = (aud: unknown): string => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return [part({ alg: "RS256" }), part({ aud, exp: 1 }), "c2ln"].join(".");
};

test("what is meant for the console is known wherever it is shown, valid or not", () => {
  const ours = [mintToken().reveal(), "flt_x", "flk_x.y", tokenFor("fairlead.dev"), tokenFor(["a", "fairlead.dev"])];
  for (const token of ours) assert.equal(isForConsole(token), true, token);
  const theirs = ["", "fl_x", "xflt_y", "a.b.c", tokenFor("shop.example"), tokenFor(["a"]), tokenFor(undefined)];
  for (const token of theirs) assert.equal(isForConsole(token), false, token);
});
