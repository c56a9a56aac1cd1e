import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import { createHttpForwarder } from "../../src/tunnel/http.ts";
import { PeerRates } from "../../src/tunnel/peer-rates.ts";
import { toTunnelError } from "../../src/tunnel/tunnel-error.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";

/** A door whose peer answers no dial with anything but what `dialled` gives; `app` is how the app is spoken to. */
async function startDoor(scheme: "http" | "https" | "h2c", dialled: () => Promise<Duplex>) {
  const clock = createFakeClock();
  let dials = 0;
  const forwarder = createHttpForwarder({
    dial: () => {
      dials += 1;
      return dialled();
    },
    clock,
    rates: new PeerRates(clock, {}),
  });
  const server = createServer((req, res) => {
    const arrival = { scheme: "http", host: "x", clientAddress: "127.0.0.1" } as const;
    const destination = { peer: "there", target: { kind: "app" as const, namespace: "shop", name: "web" } };
    const passage = { destination, path: "/", arrival, consoleCookies: [], stripAuthorization: false };
    forwarder
      .forward(req, res, { ...passage, scheme })
      .catch((error: unknown) => res.end(toTunnelError(error).failure));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    clock,
    dials: () => dials,
    ask: (): Promise<string> => fetch(url).then((answer) => answer.text()),
    [Symbol.dispose]() {
      forwarder.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

const never = (): Promise<Duplex> => new Promise(() => undefined);

test("a peer that does not answer a dial holds up no later request to an app in HTTP/2", async () => {
  using door = await startDoor("h2c", never);
  for (const count of [1, 2]) {
    const asked = door.ask();
    await until("it is dialled", () => door.dials() === count);
    await door.clock.advance(20_000);
    assert.equal(await asked, "timeout");
  }
});

test("a peer that does not answer a dial, or an app that does not answer TLS, holds no request for ever", async () => {
  for (const [scheme, dialled] of [
    ["http", never],
    ["https", never],
    ["https", async () => duplexPair()[0]],
  ] as const) {
    using door = await startDoor(scheme, dialled);
    const asked = door.ask();
    await until("it is dialled", () => door.dials() === 1);
    await door.clock.advance(30_000);
    assert.equal(await asked, "timeout");
    assert.equal(door.clock.timers, 0);
  }
});
