import assert from "node:assert/strict";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { toConnectError } from "../../src/rpc/errors.ts";
import { Reason, StreamError } from "../../src/wire/reason.ts";

test("every reason of the wire has a code, and what ends a link is Unavailable", () => {
  for (const reason of Object.values(Reason)) {
    const error = toConnectError(new StreamError(reason, "why"));
    if (reason >= 48) assert.equal(error.code, Code.Unavailable);
    assert.equal(error.rawMessage, "why");
  }
});
