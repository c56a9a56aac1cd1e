/** Two agents pair by command line alone. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { type Ran, run, start, startWorld, type World } from "./world.ts";

suite("fairlead invite and join", () => {
  let world: World;
  before(async () => {
    world = await startWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  const lisbon = (...args: string[]): Promise<Ran> => run(world.lisbon, args);
  const berlin = (...args: string[]): Promise<Ran> => run(world.berlin, args);

  test("with --confirm a person there denies, and the joiner hears it", async () => {
    const invite = await berlin("invite", "--confirm");
    const join = start(world.lisbon, ["join", invite.out.trim()]);
    await join.until(() => join.err().includes("Somebody there is asked to let you in"));
    const listed = JSON.parse((await berlin("invite", "list", "-o", "json")).out);
    const words = /Words: (\S+)/.exec(join.err())?.[1];
    assert.equal(listed.items[0].pending.words, words, "the same words on both screens");
    assert.match((await berlin("status")).out, /Joins that wait for you/);
    assert.equal((await berlin("invite", "deny", listed.items[0].id)).code, 0);
    const { code, err } = await join.ended;
    assert.notEqual(code, 0);
    assert.match(err, /error: /);
    assert.match((await lisbon("peer", "list")).err, /No peers/);
  });

  test("with --confirm a person there accepts; both show the same words; without grants the app is Denied, with the reason", async () => {
    const invite = await berlin("invite", "--confirm", "--name", "lisbon");
    assert.match(invite.err, /It grants nothing/);
    const id = /invite accept (\S+),/.exec(invite.err)?.[1] ?? "";
    const join = start(world.lisbon, ["join", "-"], { input: invite.out });
    await join.until(() => join.err().includes("Somebody there is asked"));
    assert.equal((await berlin("invite", "accept", id)).out, "join accepted\n");
    const joined = await join.ended;
    assert.equal(joined.code, 0, joined.err);
    const words = /Words, the same on both screens: (\S+)/.exec(joined.out)?.[1] ?? "?";
    const detail = await run(world.berlin, ["peer", "get", "lisbon"], { interactive: true });
    assert.match(detail.out, new RegExp(`Words +${words}`));

    const deployed = await lisbon("app", "deploy", "shop", "--peer", "berlin", "--image", "a", "--wait");
    assert.equal(deployed.code, exitCode.denied);
    assert.match(deployed.err, /shop was denied: .*apps/);
  });

  test("a grant later lets it run, and one taken away stops what comes after", async () => {
    assert.equal((await berlin("peer", "grant", "lisbon", "apps")).out, "lisbon may now: apps\n");
    const deployed = await lisbon("app", "deploy", "shop", "--peer", "berlin", "--image", "b", "--wait");
    assert.equal(deployed.code, 0, deployed.err);
    assert.equal((await berlin("peer", "grant", "lisbon", "none")).out, "lisbon may now: nothing\n");
    const refused = await lisbon("app", "deploy", "other", "--peer", "berlin", "--image", "b", "--wait");
    assert.equal(refused.code, exitCode.denied);
    await berlin("peer", "grant", "lisbon", "apps");
  });

  test("a used invite is refused, and so is one that was withdrawn", async () => {
    const used = (await berlin("invite")).out.trim();
    assert.equal((await lisbon("join", used)).code, 0);
    const porto = await world.add("porto");
    const again = await run(porto, ["join", used]);
    assert.equal(again.code, exitCode.denied, again.err);
    assert.match(again.err, /used/);
    assert.match((await run(porto, ["peer", "list"])).err, /No peers/);

    const withdrawn = (await berlin("invite")).out.trim();
    const { items } = JSON.parse((await berlin("invite", "list", "-o", "json")).out);
    assert.equal((await berlin("invite", "revoke", items.at(-1).id)).code, 0);
    assert.notEqual((await lisbon("join", withdrawn)).code, 0);
  });

  test("what is no invite is a usage error", async () => {
    const { code, err } = await lisbon("join", "hello");
    assert.equal(code, exitCode.usage);
    assert.match(err, /This is not an invite/);
  });

  test("an agent's own invite is refused", async () => {
    const { code, err } = await berlin("join", (await berlin("invite")).out.trim());
    assert.equal(code, exitCode.denied);
    assert.match(err, /own/);
  });

  test("an unknown grant is a usage error that names those that there are", async () => {
    for (const args of [
      ["invite", "--grant", "appz"],
      ["peer", "grant", "lisbon", "appz"],
    ]) {
      const { code, err } = await run(world.berlin, args);
      assert.equal(code, exitCode.usage);
      assert.match(err, /apps, tunnels, kubectl, deliveries/);
    }
  });

  test("peer list, get, label and reconnect", async () => {
    assert.match((await berlin("peer", "list")).out, /^NAME +LINK +SINCE .*\nlisbon +Connected /);
    assert.equal((await berlin("peer", "label", "lisbon", "region=south", "tier=a")).code, 0);
    assert.equal((await berlin("peer", "label", "lisbon", "tier=")).code, 0);
    const { metadata } = JSON.parse((await berlin("peer", "get", "lisbon", "-o", "json")).out);
    assert.deepEqual(metadata.labels, { region: "south" });
    assert.equal((await berlin("peer", "reconnect", "lisbon")).code, 0);
    for (const args of [["get"], ["reconnect"], ["remove", "--keep-workloads"], ["grant", "x", "apps"]]) {
      const [verb = "", ...rest] = args;
      const named = verb === "grant" ? ["peer", "grant", "nobody", "apps"] : ["peer", verb, "nobody", ...rest];
      const { code, err } = await run(world.berlin, named);
      assert.equal(code, exitCode.notFound, err);
      assert.match(err, /nobody.*fairlead peer list/);
    }
  });

  test("peer list --watch tells what comes, changes and goes", async () => {
    const watch = start(world.berlin, ["peer", "list", "--watch"]);
    await watch.until((out) => /^lisbon +Connected/m.test(out));
    const removed = await berlin("peer", "remove", "lisbon", "--delete-workloads");
    assert.equal(removed.code, 0, removed.err);
    assert.match(removed.out, /^lisbon removed; 2 of its workloads deleted; it was told\n$/);
    await watch.until(() => watch.err().includes("lisbon is gone"));
    watch.interrupt();
    assert.equal((await watch.ended).code, exitCode.interrupted);
    assert.match((await berlin("peer", "list")).err, /No peers/);
  });
});
