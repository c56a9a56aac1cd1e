import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createHttpForwarder } from "../../src/tunnel/http.ts";
import { PeerRates } from "../../src/tunnel/peer-rates.ts";
import { toTunnelError } from "../../src/tunnel/tunnel-error.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";

test("a peer that does not answer a dial holds up no later request to an app in HTTP/2", async () => {
  const clock = createFakeClock();
  let dials = 0;
  const forwarder = createHttpForwarder({
    dial: () => {
      dials += 1;
      return new Promise(() => undefined);
    },
    clock,
    rates: new PeerRates(clock, {}),
  });
  const server = createServer((req, res) => {
    const arrival = { scheme: "http", host: "x", clientAddress: "127.0.0.1" } as const;
    const destination = { peer: "there", target: { kind: "app" as const, namespace: "shop", name: "h2" } };
    const passage = { destination, scheme: "h2c", path: "/", arrival, consoleCookies: [], stripAuthorization: false };
    forwarder
      .forward(req, res, { ...passage, scheme: "h2c" })
      .catch((error: unknown) => res.end(toTunnelError(error).failure));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const ask = (): Promise<string> => fetch(url).then((answer) => answer.text());

  for (const count of [1, 2]) {
    const asked = ask();
    await until("it is dialled", () => dials === count);
    await clock.advance(20_000);
    assert.equal(await asked, "timeout");
  }
  forwarder.close();
  server.closeAllConnections();
  server.close();
});
