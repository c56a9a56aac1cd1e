/** A peer that dials and then says nothing holds its stream for a while, and not for as long as it likes. */
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { createKubernetesExit } from "../../src/tunnel/kubernetes.ts";
import { createMetricsServer } from "../../src/tunnel/metrics-server.ts";
import { createNodeServer } from "../../src/tunnel/node-server.ts";
import type { StreamServer } from "../../src/tunnel/way.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience } from "../patience.ts";

const caller = { fingerprint: "f", guest: false, peer: "tokyo", grants: ["tunnels"] };
const nobody = (): never => assert.fail("Nobody has asked for anything.");

function serversBy(clock: ReturnType<typeof createFakeClock>): Record<string, [StreamServer, keptMs: number]> {
  const nodes = createNodeServer({ kubelets: { get: nobody }, clock });
  const record = { note: nobody };
  return {
    metrics: [createMetricsServer(createMetrics(), clock), 91_000],
    nodes: [{ serve: (_caller, stream, stop) => nodes.serve({ caller, find: nobody }, stream, stop) }, 91_000],
    kubernetes: [
      createKubernetesExit({ gateway: { request: nobody }, policyOf: nobody, record, clock, log: silentLog }),
      61_000,
    ],
  };
}

for (const kind of ["metrics", "nodes", "kubernetes"]) {
  test(`${kind}: a stream on which nothing is asked ends`, async () => {
    const clock = createFakeClock();
    const [server, keptMs] = serversBy(clock)[kind] ?? assert.fail(kind);
    const [here, there] = duplexPair();
    here.on("error", () => undefined).write("GET /metrics HTTP/1.1\r\nhost: ");
    const serving = server.serve(caller, there, patience());
    await clock.advance(keptMs - 1);
    assert.equal(there.destroyed, false);
    await clock.advance(1);
    assert.equal(there.destroyed, true);
    await serving;
  });
}
