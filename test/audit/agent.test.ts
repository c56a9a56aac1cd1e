/** Two whole agents on embedded clusters: what both ends write down of one wish, and what of it outlives the process. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createConnectTransport } from "@connectrpc/connect-node";
import { startAgent } from "../../src/agent.ts";
import { verifyAuditLines } from "../../src/base/audit-chain.ts";
import { systemClock } from "../../src/base/clock.ts";
import { createFairleadClient } from "../../src/client/index.ts";
import { loadConfig } from "../../src/config.ts";
import { buildTown, type Town } from "../../src/demo/town.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createLogRing } from "../../src/telemetry/log-ring.ts";
import { acceptAll, applyPolicies, pair, run } from "../cli/world.ts";

const lines = new Map<string, string[]>();
const logOf = (name: string) => {
  const written = lines.get(name) ?? [];
  lines.set(name, written);
  return createLog({ level: "warn", write: (line) => written.push(line) });
};

async function startTown(t: TestContext, name: string): Promise<Town> {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const options = { name, directory, firstPort: 0, version: "0.0.1", log: logOf(name), processes: false };
  const town = await buildTown(options, AbortSignal.timeout(60_000));
  t.after(() => town.close());
  return town;
}

/** Another process of the town's agent, after the first one has ended. */
async function restart(t: TestContext, town: Town) {
  const flags = {
    name: town.name,
    "kube.kubeconfig": town.kubeconfig,
    "kube.namespace": "fairlead-system",
    "console.port": "0",
    "link.host": "127.0.0.1",
    "link.port": "0",
    "telemetry.host": "127.0.0.1",
    "telemetry.port": "0",
    "shutdown.grace": "1s",
  };
  const loaded = loadConfig({ flags, env: {} });
  const deps = { loaded, log: logOf(town.name), ownLog: createLogRing(), clock: systemClock, version: "0.0.2" };
  const agent = await startAgent(deps, AbortSignal.timeout(60_000));
  t.after(() => agent.close());
  const baseUrl = `http://127.0.0.1:${agent.ports.console}`;
  const transport = createConnectTransport({ baseUrl, httpVersion: "1.1" });
  return createFairleadClient({ transport, token: town.token });
}

test("one wish is one correlation at both ends, each knows the person whom it can know, and all of it outlives the process", async (t) => {
  const lisbon = await startTown(t, "lisbon");
  const berlin = await startTown(t, "berlin");
  await applyPolicies(berlin, acceptAll);
  await pair({ lisbon, berlin }, "apps");
  const deployed = await run(lisbon, ["app", "deploy", "web", "--peer", "berlin", "--image", "a", "--wait"]);
  assert.equal(deployed.code, 0, deployed.err);

  const { entries } = await lisbon.client.audit.listAudit({ action: "app" });
  const told = entries.map(({ action, verdict, person, peer, target }) => ({ action, verdict, person, peer, target }));
  const common = { peer: "berlin", target: "default/web" };
  assert.deepEqual(told, [
    { action: "app.deploy", verdict: "done", person: "admin-token", ...common },
    { action: "app.answer", verdict: "allowed", person: "unknown", ...common },
  ]);
  const [wish] = entries;
  assert.match(wish?.correlation ?? "", /^wish:[0-9a-f-]{36}\/1$/);
  const there = await berlin.client.audit.listAudit({ correlation: wish?.correlation ?? "" });
  assert.deepEqual(
    there.entries.map(({ action, verdict, person, peer, target }) => ({ action, verdict, person, peer, target })),
    [{ action: "app.admit", verdict: "allowed", person: "unknown", peer: "lisbon", target: "default/web" }],
  );
  assert.equal(there.entries[0]?.fingerprint, lisbon.agent.fingerprint);

  const before = (await berlin.client.audit.listAudit({})).entries;
  await berlin.agent.close();
  const again = await restart(t, berlin);
  const after = (await again.audit.listAudit({})).entries;
  assert.deepEqual(after.slice(0, before.length), before);
  const actions = after.slice(before.length).map(({ action }) => action);
  assert.deepEqual(
    actions.filter((action) => action.startsWith("agent.")),
    ["agent.stop", "agent.start"],
  );
  assert.deepEqual(
    after.map(({ sequence }) => sequence),
    after.map((_, index) => BigInt(index + 1)),
  );
  const verified = await again.audit.verifyAudit({});
  assert.deepEqual([verified.intact, verified.problems, verified.notes], [true, [], []]);
  const log = await verifyAuditLines(lines.get("berlin") ?? []);
  assert.deepEqual([log.problems, log.notes], [[], []], "the log of both processes is one chain, whatever its level");
  assert.ok(lines.get("berlin")?.some((line) => line.includes(`"hash":"${verified.head}"`)));
});
