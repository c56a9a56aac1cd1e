/**
 * The far end of links, forked: answers the calls of EchoService, and takes dials whose streams then do nothing. Tells its port and fingerprint. Told
 * to "collect", it gives back what memory it can, and says so.
 */
import { randomBytes } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemClock as clock } from "../../src/base/clock.ts";
import { silentLog as log } from "../../src/base/log.ts";
import { loadIdentity } from "../../src/identity/identity.ts";
import { createAcceptor } from "../../src/link/acceptor.ts";
import { createMemoryStore } from "../../test/identity/memory-store.ts";
import { createEchoServer } from "../../test/rpc/echo.ts";

process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));
process.on("message", () => {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  if (typeof collect === "function") collect({ type: "major", execution: "sync", flavor: "last-resort" });
  process.send?.("collected");
});

const identity = await loadIdentity({ store: createMemoryStore(), clock, log }, new AbortController().signal);
const server = createEchoServer();
const acceptor = createAcceptor({
  identity,
  hello: { instance: randomBytes(16), version: "bench" },
  clock,
  log,
  onLink: () => undefined,
  accept(_link, incoming) {
    if (incoming.kind === "dial") incoming.accept();
    else void server.serve(incoming, { fingerprint: "", guest: false, grants: [], caPem: "" });
  },
});
const { port } = await acceptor.listen(0, "127.0.0.1");
process.send?.({ port, fingerprint: identity.fingerprint });
