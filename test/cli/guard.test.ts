/** Someone lends a cluster to a peer whom they trust only so far: both ends of it, by command line. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { applyPolicies, pair, type Ran, type RunOptions, run, start, startWorld, type World } from "./world.ts";

/** One policy about lisbon; each test writes its own workloads. */
const policy = (workloads: string): string => `
apiVersion: fairlead.dev/v1alpha1
kind: PeerPolicy
metadata: { name: lisbon }
spec: { peers: { names: [lisbon] }, workloads: ${workloads} }
`;

suite("a cluster that is lent", () => {
  let world: World;
  before(async () => {
    world = await startWorld({ accepting: false });
    await pair(world, "apps");
  });
  after(() => world[Symbol.asyncDispose]());

  const lisbon = (args: readonly string[], options?: RunOptions): Promise<Ran> => run(world.lisbon, args, options);
  const berlin = (args: readonly string[], options?: RunOptions): Promise<Ran> => run(world.berlin, args, options);
  const deploy = (name: string, ...more: string[]): Promise<Ran> =>
    lisbon(["app", "deploy", name, "--peer", "berlin", "--image", "a", ...more]);
  /** Waits until the app is told to be so here. */
  async function untilApp(name: string, state: RegExp): Promise<void> {
    const watch = start(world.lisbon, ["app", "get", name, "-w", "-o", "wide"]);
    await watch.until((out) => state.test(out));
    watch.interrupt();
    await watch.ended;
  }

  test("without a policy nothing runs, and both who lends and who borrows hear why", async () => {
    const denied = await deploy("early", "--wait");
    assert.equal(denied.code, exitCode.denied, denied.err);
    assert.match(denied.err, /no PeerPolicy here is about peer lisbon/);
    const granted = await berlin(["peer", "grant", "lisbon", "apps"]);
    assert.equal(granted.out, "lisbon may now: apps\n");
    assert.match(granted.err, /^Nothing of lisbon may run here: no PeerPolicy is about it/);
    const invited = await berlin(["invite", "--name", "porto", "--grant", "apps"]);
    const unnamed = await berlin(["invite", "--grant", "apps"]);
    assert.match(
      unnamed.err,
      /This one accepts all peers.*\n\nkubectl [\s\S]*\nspec: \{ workloads: \{ accept: true \} \}\n/,
    );
    assert.match(invited.err, /Nothing of porto may run here: no PeerPolicy is about it/);
    assert.match(invited.err, /\nspec: \{ peers: \{ names: \[porto\] \}, workloads: \{ accept: true \} \}\n/);
  });

  test("the policy that is printed, applied as it stands, lets the same app run without anybody asking again", async () => {
    const { err } = await berlin(["policy", "explain", "lisbon"]);
    await applyPolicies(world.berlin, /<<'EOF'\n([\s\S]*?)\nEOF/.exec(err)?.[1] ?? "");
    await untilApp("early", /Ready/);
    const explained = await berlin(["policy", "explain", "lisbon"]);
    assert.match(explained.out, /^lisbon may run apps here\.\n/);
    assert.equal(explained.err, "");
    assert.equal((await berlin(["peer", "grant", "lisbon", "apps"])).err, "");
    await lisbon(["app", "delete", "early", "--wait"]);
  });

  test("what needs approval is held; approved, it runs; the origin sees both", async () => {
    await applyPolicies(world.berlin, policy("{ accept: true, approval: Always }"));
    const asked = await lisbon(["app", "check", "shop", "--peer", "berlin", "--image", "a"]);
    assert.equal(asked.code, exitCode.held, asked.err);
    assert.match(asked.out, /berlin +Held +approval\/always/);
    const held = await deploy("shop", "--wait");
    assert.equal(held.code, exitCode.held, held.err);
    assert.match(held.err, /shop is held: .*approve/);
    const detail = await lisbon(["app", "get", "shop"], { interactive: true });
    assert.match(detail.out, /\n {2}Held +for \d+s, since \d{4}-/);
    assert.match(detail.out, /approval\/always/);

    const waiting = await berlin(["status"]);
    assert.match(waiting.out, /What peers ask for and waits for you .*\nNAME +KIND/);
    const [name = ""] = (await berlin(["inbox", "list", "-o", "name"])).out.split("\n");
    assert.match(name, /^lisbon\/shop-/);
    const approved = await berlin(["inbox", "approve", name, "-m", "for the fair", "--for", "8h"]);
    assert.equal(approved.code, 0, approved.err);
    await untilApp("shop", /Ready/);
    const running = await lisbon(["app", "get", "shop"], { interactive: true });
    assert.match(running.out, /They say +for the fair/);
    assert.match(running.out, /Until +\S+ \((8h|7h59m) left\)/);
    assert.match((await berlin(["status"])).out, /Nothing needs you/);
  });

  test("status --watch shows again what needs somebody when that changes", async () => {
    const watch = start(world.berlin, ["status", "--watch"]);
    await watch.until((out) => /Nothing needs you/.test(out));
    await deploy("needing");
    await watch.until((out) => /Nothing needs you.*What peers ask for and waits for you/s.test(out));
    await lisbon(["app", "delete", "needing", "--wait"]);
    await watch.until((out) => /waits for you.*Nothing needs you/s.test(out));
    watch.interrupt();
    assert.equal((await watch.ended).code, exitCode.interrupted);
  });

  test("inbox list --watch tells what comes and what becomes of it", async () => {
    const watch = start(world.berlin, ["inbox", "list", "-w"]);
    await watch.until(() => watch.err().includes("Nothing waits for you here"));
    await deploy("seen");
    await watch.until((out) => /^lisbon\/seen-\S+ +App +lisbon +default\/seen +Held/m.test(out));
    const [name = ""] = (await berlin(["inbox", "list", "-o", "name"])).out.split("\n");
    await berlin(["inbox", "approve", name]);
    await watch.until((out) => /^lisbon\/seen-\S+ .* Approved/m.test(out));
    await lisbon(["app", "delete", "seen", "--wait"]);
    await watch.until(() => watch.err().includes(`${name} is gone`));
    watch.interrupt();
    assert.equal((await watch.ended).code, exitCode.interrupted);
  });

  test("edited while it was looked at, it is not approved; what was approved before runs on", async () => {
    await lisbon(["app", "scale", "shop", "--replicas", "2"]);
    await untilApp("shop", /Held/);
    const [name = ""] = (await berlin(["inbox", "list", "-o", "name"])).out.split("\n");
    const shown = await berlin(["inbox", "get", name]);
    assert.match(shown.out, /\n {4}- replicas: 1\n {4}\+ replicas: 2\n/);
    const hash = /Hash +([0-9a-f]{64})/.exec(shown.out)?.[1] ?? "";
    await lisbon(["app", "scale", "shop", "--replicas", "3"]);
    const watch = start(world.lisbon, ["app", "list", "-w", "-o", "json"]);
    await watch.until((out) => /"replicas": 3[\s\S]*"phase": "Held"/.test(out));
    watch.interrupt();
    await watch.ended;
    const late = await berlin(["inbox", "approve", name, "--hash", hash]);
    assert.equal(late.code, exitCode.failed);
    assert.match(late.err, /was changed after/);
  });

  test("a refusal is an answer: the origin sees the reason, and what is asked for again is asked anew", async () => {
    const [name = ""] = (await berlin(["inbox", "list", "-o", "name"])).out.split("\n");
    assert.equal((await berlin(["inbox", "deny", name, "-m", "two is enough"])).code, 0);
    await untilApp("shop", /Denied .*two is enough/);
    assert.match((await berlin(["inbox", "list"])).err, /Nothing waits/);
    assert.match((await berlin(["inbox", "list", "--decided"])).out, /Denied/);
    await lisbon(["app", "scale", "shop", "--replicas", "2"]);
    await untilApp("shop", /Held/);
    await lisbon(["app", "delete", "shop", "--wait"]);
    assert.match((await berlin(["inbox", "list"])).err, /Nothing waits/);
  });

  test("check and dry run name each rule with what was asked and what is allowed, and change nothing", async () => {
    await applyPolicies(world.berlin, policy("{ accept: true, maxReplicas: 2, deniedImages: [evil/**] }"));
    const args = ["--peer", "berlin", "--image", "evil/a:1", "--replicas", "3"];
    const checked = await lisbon(["app", "check", "x", ...args]);
    assert.equal(checked.code, exitCode.denied);
    assert.match(checked.out, /berlin +Denied +images\/denied +docker\.io\/evil\/a:1 /);
    assert.match(checked.out, /berlin +Denied +replicas\/max +3 +2\n/);
    const dry = await lisbon(["app", "deploy", "x", ...args, "--dry-run=server"]);
    assert.equal(dry.code, exitCode.denied);
    assert.match(dry.err, /x: berlin would deny it:\n {2}images\/denied: .*evil/);
    assert.equal((await lisbon(["app", "get", "x"])).code, exitCode.notFound);
    const unknown = await lisbon(["app", "check", "x", "--peer", "nobody", "--image", "a"]);
    assert.equal(unknown.code, exitCode.unavailable);
    assert.match(unknown.out, /nobody did not say: .*no peer "nobody"/);
  });

  test("an app that is there is not counted beside itself, by check and by dry run alike", async () => {
    await applyPolicies(world.berlin, policy("{ accept: true, maxApps: 1 }"));
    assert.equal((await deploy("only", "--wait")).code, 0);
    const check = (name: string): Promise<Ran> => lisbon(["app", "check", name, "--peer", "berlin", "--image", "b"]);
    assert.equal((await check("only")).code, 0);
    assert.equal((await deploy("only", "--replicas", "2", "--dry-run")).code, 0);
    const second = await check("second");
    assert.equal(second.code, exitCode.denied);
    assert.match(second.out, /berlin +Denied +apps\/max +2 +1\n/);
    assert.equal((await deploy("second", "--dry-run")).code, exitCode.denied);
    await lisbon(["app", "delete", "only", "--wait"]);
  });

  test("a grant for a time says so at both ends, and keeping it does not lengthen it", async () => {
    const given = await berlin(["peer", "grant", "lisbon", "apps", "--for", "8h"]);
    assert.match(given.out, /^lisbon may now: apps \((8h|7h59m) left\)\n$/);
    assert.match((await berlin(["peer", "list"])).out, /apps \((8h|7h59m) left\)/);
    const until = async (): Promise<string> =>
      JSON.parse((await berlin(["peer", "get", "lisbon", "-o", "json"])).out).spec.grantsUntil.apps;
    const first = await until();
    const added = await berlin(["peer", "grant", "lisbon", "tunnels", "--add"]);
    assert.match(added.out, /tunnels, apps \(.* left\)/);
    assert.ok(Date.parse(await until()) <= Date.parse(first));
    const watch = start(world.lisbon, ["peer", "list", "-w", "-o", "json"]);
    await watch.until((out) => /"grantsHeld": \[\s*\{\s*"name": "apps",\s*"until"/.test(out));
    watch.interrupt();
    await watch.ended;
    const there = await lisbon(["peer", "get", "berlin"], { interactive: true });
    assert.match(there.out, /We may there +.*apps \((8h|7h\d*m?) left\)/);
    const replaced = await berlin(["peer", "grant", "lisbon", "apps"]);
    assert.equal(replaced.out, "lisbon may now: apps\n");
    assert.match(replaced.err, /^no longer: tunnels; --add keeps/);
  });

  test("times that cannot be, and times for nothing, are usage errors", async () => {
    for (const args of [
      ["peer", "grant", "lisbon", "none", "--for", "8h"],
      ["peer", "grant", "lisbon", "apps", "--for", "eight"],
      ["peer", "grant", "lisbon", "apps", "--for", "0s"],
      ["peer", "grant", "lisbon", "apps", "--for", "99999d"],
      ["invite", "--grant-for", "8h"],
      ["join", "x", "--grant-for", "8h"],
    ]) {
      const { code, err } = await berlin(args);
      assert.equal(code, exitCode.usage, args.join(" "));
      assert.ok(err.length > 0);
    }
  });

  test("who invites says for how long the grants count after the join", async () => {
    const porto = await world.add("porto");
    const invite = await berlin(["invite", "--name", "porto", "--grant", "apps,tunnels", "--grant-for", "2h"]);
    assert.match(invite.err, /It grants: apps, tunnels, for 2h from the join\./);
    const joined = await run(porto, ["join", invite.out.trim(), "--grant", "apps", "--grant-for", "1h"]);
    assert.match(joined.err, /Nothing of berlin may run here: no PeerPolicy is about it/);
    assert.match((await berlin(["peer", "get", "porto"])).out, /apps \((2h|119m|1h59m) left\),tunnels/);
    assert.match((await run(porto, ["peer", "get", "berlin"])).out, /apps \((60m|59m) left\)/);
  });

  test("removing a peer leaves what others wait for, and takes along what it asked for itself", async () => {
    await applyPolicies(world.berlin, policy("{ accept: true, approval: Always }"));
    await applyPolicies(world.berlin, policy("{ accept: true, approval: Always }").replaceAll("lisbon", "faro"));
    const faro = await world.add("faro");
    await pair({ lisbon: faro, berlin: world.berlin }, "apps", "faro");
    await deploy("ours");
    await run(faro, ["app", "deploy", "theirs", "--peer", "berlin", "--image", "a"]);
    const watch = start(world.berlin, ["inbox", "list", "-w", "-o", "name"]);
    await watch.until((out) => out.includes("lisbon/ours-") && out.includes("faro/theirs-"));
    assert.equal((await berlin(["peer", "remove", "faro", "--delete-workloads"])).code, 0);
    await watch.until(() => /faro\/theirs-\S+ is gone/.test(watch.err()));
    watch.interrupt();
    await watch.ended;
    assert.match((await berlin(["inbox", "list", "-o", "name"])).out, /^lisbon\/ours-\S+\n$/);
  });

  test("all of it is in the audit of both ends, and the audit is whole", async () => {
    const decided = await berlin(["audit", "list", "--peer", "lisbon", "--action", "app", "-o", "json"]);
    const { items } = JSON.parse(decided.out);
    const actions = new Set(items.map(({ action, verdict }: Record<string, string>) => `${action} ${verdict}`));
    for (const expected of ["app.admit held", "app.admit denied", "app.admit allowed"])
      assert.ok(actions.has(expected));
    const approval = items.find(({ action }: Record<string, string>) => action === "app.decide");
    assert.equal(approval.person, "admin-token");
    assert.match((await berlin(["audit", "verify"])).out, /^intact: \d+ entries/);
    assert.match((await lisbon(["audit", "verify"])).out, /^intact: \d+ entries/);
  });
});
