/** Identities, certificates and sockets for the tests of the link. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import type { TestContext } from "node:test";
import type { Clock } from "../../src/base/clock.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { type Authority, readAuthority } from "../../src/identity/authority.ts";
import { type Identity, loadIdentity } from "../../src/identity/identity.ts";
import type { LocalHello } from "../../src/wire/hello.ts";
import { createMemoryStore } from "../identity/memory-store.ts";

export interface TestAgent {
  readonly identity: Identity;
  /** Its CA, for tests that sign what an honest agent would not. */
  readonly authority: Authority;
  readonly hello: LocalHello;
}

export async function newAgent(t: TestContext, clock: Clock = systemClock): Promise<TestAgent> {
  const store = createMemoryStore();
  const identity = await loadIdentity({ store, clock, log: silentLog }, new AbortController().signal);
  t.after(() => identity.close());
  if (!store.stored) throw new Error("nothing was stored");
  return { identity, authority: readAuthority(store.stored), hello: { instance: randomBytes(16), version: "test" } };
}

/** Listens on a free port of loopback; what is still connected when the test ends is cut. */
export async function listen(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return address.port;
}
