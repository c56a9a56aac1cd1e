import assert from "node:assert/strict";
import { test } from "node:test";
import { isForward } from "../src/agent-tunnel.ts";

test("no peer is led back to the ports of Forwards, however it writes their address", () => {
  const config = { forwards: { address: "fd00::7", ports: { first: 20_000, last: 20_999 } } };
  const cases = [
    ["fd00::7", 20_000, true],
    ["FD00:0::7", 20_999, true],
    ["fd00::7", 21_000, false],
    ["fd00::8", 20_000, false],
  ] as const;
  for (const [address, port, expected] of cases) assert.equal(isForward(config, address, port), expected, address);
  assert.equal(isForward({ forwards: { ...config.forwards, address: undefined } }, "fd00::7", 20_000), false);
});
