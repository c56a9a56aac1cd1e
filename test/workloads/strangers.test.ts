/** A peer that is removed, and paired with again, while what it left here runs on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { held, phaseOf, startWithWeb, statusOf } from "./story.ts";

test("that it was no peer for a while is told at the host, and never to the origin, which hears it as a peer", async (t) => {
  const town = await startWithWeb(t);
  const host = town.agent("osaka");
  await town.cut("tokyo", "osaka");
  host.peering.set("tokyo", undefined);
  await town.until("told at the host", () => held(town)[0]?.status?.reason === "NoPeer");
  await town.stop("osaka");
  host.peering.set("tokyo", { grants: ["apps"] });
  // What it knows now is what was written down before, until it has looked.
  const { client } = host;
  let isSlow = true;
  host.client = {
    ...client,
    async list(kind, o, signal) {
      while (isSlow && kind.plural === "namespaces") await town.clock.sleep(100, signal);
      return client.list(kind, o, signal);
    },
    async get(kind, ref, signal) {
      while (isSlow && kind.plural === "namespaces") await town.clock.sleep(100, signal);
      return client.get(kind, ref, signal);
    },
  };
  host.start();
  await town.connect("tokyo", "osaka");
  const heard = new Set<unknown>();
  const look = (): void => void heard.add(statusOf(town, "web").reason);
  await town.until("the origin has heard of it", () => {
    look();
    return statusOf(town, "web").reason === "Accepted";
  });
  isSlow = false;
  await town.until("Ready", () => {
    look();
    return phaseOf(town, "web") === "Ready";
  });
  assert.ok(!heard.has("NoPeer"), [...heard].join());
});
