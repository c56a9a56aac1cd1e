import assert from "node:assert/strict";
import { test } from "node:test";
import { aborted } from "../../src/base/abort.ts";
import { silentLog } from "../../src/base/log.ts";
import { createApiServerPlaces } from "../../src/kube/api-server-places.ts";
import { isSameAddress } from "../../src/policy/cidr.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";

test("the API server is known by its address however that is written, at its port alone", async (t) => {
  const slice = {
    metadata: { name: "kubernetes", namespace: "default", uid: "1", resourceVersion: "1" },
    addressType: "IPv6",
    endpoints: [{ addresses: ["fd00::a:1", "10.0.0.1"] }],
    ports: [{ port: 6443 }],
  };
  const client = {
    list: async () => JSON.parse(JSON.stringify({ items: [slice], resourceVersion: "1" })),
    async *watch(_kind: unknown, _from: unknown, signal: AbortSignal): AsyncGenerator<never> {
      await aborted(signal);
      yield* [];
    },
  };
  const places = createApiServerPlaces({
    client,
    server: "https://[fd00::1]",
    isSame: isSameAddress,
    clock: createFakeClock(),
    log: silentLog,
  });
  t.after(() => places.close());
  await until("the slice is seen", () => places.has("10.0.0.1", 6443));
  for (const address of ["fd00::a:1", "FD00:0::A:1", "fd00:0:0:0:0:0:a:1", "fd00::0.10.0.1"]) {
    assert.equal(places.has(address, 6443), true, address);
    assert.equal(places.has(address, 443), false, address);
  }
  assert.deepEqual(
    [places.has("FD00::0:1", 443), places.has("fd00::2", 443), places.has("fd00::a:2", 6443)],
    [true, false, false],
  );
});
