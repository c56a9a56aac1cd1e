/** A machine without a cluster among agents that have one: no app comes to it, whether it is named or to be chosen. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { pair, run, startWorld, type World } from "../cli/world.ts";
import { until } from "../e2e/until.ts";
import { createMachine, type Machine } from "./machine.ts";

suite("a machine beside clusters", () => {
  let world: World;
  let vm: Machine;
  const image = ["--image", "fairlead.dev/demo-web:1", "--port", "8080"];
  const ran = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await run(world.lisbon, args);
    assert.equal(code, 0, err);
    return out;
  };

  before(async () => {
    world = await startWorld();
    vm = await createMachine("vm", []);
    await vm.start();
    await pair(world, "apps");
    // It lets lisbon run apps as far as grants go, and has the same label.
    const invite = await vm.cli("invite", "--name", "lisbon", "--grant", "apps");
    await ran("join", invite.trim(), "--label", "tier=prod");
    await ran("peer", "label", "berlin", "tier=prod");
    await until("lisbon knows what it is", async () =>
      /place: standalone/.test(await ran("peer", "get", "vm", "-o", "yaml")),
    );
  });
  after(async () => {
    await vm?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  test("an app for it is denied, and its status says by which rule and why", async () => {
    const deployed = await run(world.lisbon, ["app", "deploy", "lost", "--peer", "vm", ...image]);
    assert.equal(deployed.code, 0, deployed.err);
    let seen = "";
    const isDenied = async (): Promise<boolean> => {
      seen = await ran("app", "describe", "lost");
      return /Denied/.test(seen);
    };
    await until("it is denied", isDenied, { seen: () => seen });
    assert.match(seen, /host\/standalone/);
    assert.match(seen, /stands alone, in no cluster, and runs no apps/);
    assert.match(await ran("app", "list"), /^lost +vm +Denied/m);
  });

  test("placement passes it by, also where all are meant, and has too few rather than it", async () => {
    const place = ["--placement-selector", "tier=prod", ...image];
    await ran("app", "deploy", "web", ...place, "--count", "0", "--wait");
    assert.match(await ran("app", "list"), /^web +berlin +Ready/m);
    await ran("app", "deploy", "two", ...place, "--count", "2");
    let seen = "";
    const isTold = async (): Promise<boolean> => {
      seen = await ran("app", "describe", "two");
      return /TooFewPeers/.test(seen);
    };
    await until("it is told that there are too few", isTold, { seen: () => seen });
    assert.match(await ran("app", "list"), /^two +berlin /m);
  });
});
