/** The whole agent, on embedded clusters: what no room can promise alone. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { silentLog } from "../src/base/log.ts";
import { buildTown, type Town } from "../src/demo/town.ts";
import { pair, run } from "./cli/world.ts";
import { startConnectProxy, startTlsFront } from "./link/proxies.ts";
import { openPolicy } from "./policy/open-policy.ts";

type Settings = Readonly<Record<string, string>>;

async function startTown(t: TestContext, name: string, settings: Settings): Promise<Town> {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const options = { name, directory, firstPort: 0, version: "0.0.1", log: silentLog, processes: false, settings };
  const town = await buildTown(options, AbortSignal.timeout(60_000));
  t.after(() => town.close());
  return town;
}

test("an agent that is told to end takes its leave at once when nothing but its own conversations is open", async (t) => {
  const patient = { "shutdown.grace": "15s" };
  const lisbon = await startTown(t, "lisbon", patient);
  const berlin = await startTown(t, "berlin", patient);
  await openPolicy(berlin.kube.client);
  await pair({ lisbon, berlin }, "apps");
  const deployed = await run(lisbon, ["app", "deploy", "web", "--peer", "berlin", "--image", "a", "--wait"]);
  assert.equal(deployed.code, 0, deployed.err);
  for (const town of [lisbon, berlin]) {
    const startedAt = performance.now();
    await town.agent.close();
    const seconds = (performance.now() - startedAt) / 1000;
    assert.ok(seconds < 10, `${town.name} took ${seconds.toFixed(1)} s of the 15 s that streams are given`);
  }
});

test("the settings for the way out are obeyed: a proxy, a root for the outer TLS, and no check only when told so", async (t) => {
  const berlin = await startTown(t, "berlin", {});
  const front = await startTlsFront(t, berlin.agent.ports.link);
  const proxy = await startConnectProxy(t, front.port);
  const roots = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(roots, { recursive: true, force: true }));
  const caFile = join(roots, "root.pem");
  await writeFile(caFile, front.rootCaPem);
  // Only the proxy knows where this name leads.
  const invite = async (): Promise<string> =>
    (await run(berlin, ["invite", "--url", "wss://peer.example/link"])).out.trim();

  const throughProxy = { "link.httpsProxy": `http://127.0.0.1:${proxy.port}` };
  const strict = await startTown(t, "strict", throughProxy);
  const refused = await run(strict, ["join", await invite()]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /certificate/);
  for (const [name, settings] of [
    ["rooted", { ...throughProxy, "link.caFile": caFile }],
    ["careless", { ...throughProxy, "link.insecure": "true" }],
  ] as const) {
    const town = await startTown(t, name, settings);
    const joined = await run(town, ["join", await invite()]);
    assert.equal(joined.code, 0, `${name}: ${joined.err}`);
  }
  assert.deepEqual(new Set(proxy.asked.map(({ authority }) => authority)), new Set(["peer.example:443"]));
});
