/** Peers that ask for very much, and answer very often: others are not hidden by it, and nothing grows without bound. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { kubeError } from "./cluster.ts";
import { applyApp, audited, deleteApp, held, phaseOf, setPolicy, slowWorkloads, startTown, statusOf } from "./story.ts";
import type { Town } from "./town.ts";

test("at most 100 apps of a peer wait for a person at a time, and the next one is heard when one is decided", async (t) => {
  const town: Town = await startTown(
    t,
    slowWorkloads(() => town),
  );
  setPolicy(town, { approval: "Always" });
  await town.clock.advance(0);
  const names = Array.from({ length: 103 }, (_, index) => `app-${index}`);
  for (const name of names) applyApp(town, name);
  const count = (phase: string): number => names.filter((name) => phaseOf(town, name) === phase).length;
  await town.until("all are answered", () => count("Held") + count("Denied") === names.length);
  assert.equal(count("Held"), 100);
  assert.equal(held(town).length, 100, "what is refused is not stored");
  const refused = names.find((name) => phaseOf(town, name) === "Denied") ?? "";
  assert.match(JSON.stringify(statusOf(town, refused).admission), /"rule":"inbox\/full"/);
  deleteApp(town, names.find((name) => phaseOf(town, name) === "Held") ?? "");
  await town.until("another waits", () => count("Denied") === 2 && count("Held") === 100);
});

test("very many answers to one peer's wishes are few lines in the audit of both ends, and the others are counted", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { deniedImages: ["web"] });
  await town.clock.advance(0);
  const names = Array.from({ length: 200 }, (_, index) => `app-${index}`);
  for (const name of names) applyApp(town, name);
  await town.until("all are answered", () => names.every((name) => phaseOf(town, name) === "Denied"));
  await town.clock.advance(5_000);
  for (const agent of ["osaka", "tokyo"]) {
    const lines = audited(town, agent).length;
    assert.ok(lines > 10 && lines <= 70, `${lines} lines at ${agent}`);
    const told = town.agent(agent).audited.find(({ message = "" }) => /the last of \d+ such/.test(message));
    assert.ok(told, `what was only counted is told by its number at ${agent}`);
  }
});

test("a wish that the host's own cluster refuses takes no place among those that wait", async (t) => {
  let isRefusing = true;
  const town = await startTown(t, (client) => ({
    ...client,
    apply(kind, object, o, signal) {
      if (kind.plural === "workloads" && isRefusing) throw kubeError(422, "Invalid", "not today");
      return client.apply(kind, object, o, signal);
    },
  }));
  setPolicy(town, { approval: "Always" });
  await town.clock.advance(0);
  const names = Array.from({ length: 100 }, (_, index) => `app-${index}`);
  for (const name of names) applyApp(town, name);
  await town.until("all are refused", () => names.every((name) => phaseOf(town, name) === "Denied"));
  isRefusing = false;
  applyApp(town, "another");
  await town.until("another waits", () => phaseOf(town, "another") === "Held");
});
