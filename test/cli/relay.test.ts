/** Two agents that only dial out, and a third between them, set up by command line alone. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { buildTown, type Town } from "../../src/demo/town.ts";
import { acceptAll, applyPolicies, type Ran, run } from "./world.ts";

suite("fairlead invite --relay", () => {
  let directory: string;
  let hub: Town;
  let lisbon: Town;
  let berlin: Town;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
    const build = async (name: string, settings: Record<string, string>): Promise<Town> => {
      const common = { directory, firstPort: 0, version: "0.0.1", log: silentLog, processes: false };
      return buildTown({ ...common, name, settings }, AbortSignal.timeout(60_000));
    };
    hub = await build("hub", {});
    lisbon = await build("lisbon", { "link.url": "" });
    berlin = await build("berlin", { "link.url": "" });
    await applyPolicies(berlin, acceptAll);
  });
  after(async () => {
    await Promise.allSettled([lisbon, berlin, hub].map((town) => town.close()));
    await rm(directory, { recursive: true, force: true });
  });

  const at = async (town: Town, ...args: string[]): Promise<string> => {
    const { code, out, err } = await run(town, args);
    assert.equal(code, 0, err);
    return out.trim();
  };
  const refused = async (town: Town, ...args: string[]): Promise<string> => {
    const { code, err }: Ran = await run(town, args);
    assert.notEqual(code, 0);
    return err;
  };

  test("says what is missing, one thing after the other, until it works", async () => {
    assert.match(await refused(berlin, "invite"), /--relay/, "who cannot be dialled hears of relays");
    assert.match(await refused(berlin, "invite", "--relay", "hub"), /There is no peer "hub"/);
    for (const town of [lisbon, berlin]) await at(town, "join", await at(hub, "invite"));
    assert.match(await refused(berlin, "invite", "--relay", "hub"), /fairlead peer grant hub relay --add/);
    assert.equal(await at(berlin, "peer", "grant", "hub", "relay", "--add"), "hub may now: relay");

    const invited = await run(berlin, ["invite", "--relay", "hub", "--grant", "apps"]);
    assert.equal(invited.code, 0, invited.err);
    assert.match(invited.err, /It comes through hub, which must be its peer too/);
    assert.match(await at(berlin, "invite", "list", "-o", "wide"), /RELAYS[\s\S]*hub/);
    const line = invited.out.trim();
    assert.match(await refused(lisbon, "join", line), /PeerPolicy: relay\.allow: true \(rule: relay\/allow\)/);

    await applyPolicies(
      hub,
      `{ apiVersion: fairlead.dev/v1alpha1, kind: PeerPolicy, metadata: { name: carried }, spec: { relay: { allow: true } } }`,
    );
    let joined = await run(lisbon, ["join", line]);
    // The policy counts within a second of being written.
    for (let tries = 0; tries < 40 && joined.code !== 0; tries += 1) joined = await run(lisbon, ["join", line]);
    assert.match(joined.out, /Paired with berlin/);
  });

  test("the two work together as over any link, and each shows by which path", async () => {
    await at(lisbon, "app", "deploy", "shop", "--peer", "berlin", "--image", "a", "--wait");
    assert.match(await at(lisbon, "peer", "list", "-o", "wide"), /through hub/);
    assert.match((await run(lisbon, ["peer", "get", "berlin"], { interactive: true })).out, /through hub/);
    assert.match(await at(hub, "audit", "list", "-o", "json"), /"relay\.open"/);
    assert.match(await at(berlin, "audit", "list", "-o", "json"), /"relay\.bring"/);
  });

  test("peer relay sets and takes away the way, and names what cannot be one", async () => {
    assert.match(await refused(lisbon, "peer", "relay", "berlin", "nobody"), /There is no peer "nobody"/);
    assert.match(await refused(lisbon, "peer", "relay", "berlin", "berlin"), /cannot be its own relay/);
    assert.match(await refused(lisbon, "peer", "relay", "berlin", "hub", "none"), /none takes all relays away/);
    assert.equal(await at(lisbon, "peer", "relay", "berlin", "none"), "berlin is not relayed");
    assert.equal(JSON.parse(await at(lisbon, "peer", "get", "berlin", "-o", "json")).spec.relays, undefined);
    const set = await at(lisbon, "peer", "relay", "berlin", "hub");
    assert.equal(set, "berlin is reached through hub while it is not dialled");
    assert.deepEqual(JSON.parse(await at(lisbon, "peer", "get", "berlin", "-o", "json")).spec.relays, ["hub"]);
  });
});
