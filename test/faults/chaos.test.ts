/**
 * Anything at any moment: edits, deletions, policies that change, approvals, meddling at the host, cut links, restarts and
 * failing API servers, in an order that a seed decides. When all is well again, what runs is what is wished for.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import {
  applyApp,
  containerOf,
  deleteApp,
  deployments,
  findApp,
  held,
  never,
  phaseOf,
  setPolicy,
} from "../workloads/story.ts";
import { Town } from "../workloads/town.ts";
import { type FaultPlan, faults, faultyClient } from "./faulty-client.ts";

const seeds = 40;
const steps = 25;
const names = ["one", "two", "three"];

test(`${seeds} seeds of chaos each end with what is wished for, once`, async () => {
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      await chaos(seed);
    } catch (cause) {
      throw new Error(`Seed ${seed} did not end right.`, { cause });
    }
  }
});

const policies: readonly JsonObject[] = [
  {},
  { approval: "Always", whenViolated: "Stop" },
  { approval: "NewImage", approvalLasts: "1m" },
  { quota: { pods: 3 }, whenViolated: "Stop" },
  { deniedImages: ["web:2"], whenViolated: "Stop" },
  { accept: false, whenViolated: "Stop" },
  { maxApps: 1 },
];

/** Somebody clicks; that it fails now and then is part of the chaos. */
function approveOne(town: Town): void {
  const { host } = town.agent("osaka").workloads;
  const item = host.held().find(({ state }) => state === "Held");
  if (!item) return;
  host.decide(item.name, { hash: item.hash, verdict: "Approved", by: "ada" }, never).catch(() => undefined);
}

async function chaos(seed: number): Promise<void> {
  const random = randomFrom(seed);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T; // No list here is empty.
  const town = new Town();
  let isWell = false;
  const plan: FaultPlan = { next: () => (!isWell && random() < 0.15 ? pick(faults) : undefined) };
  const [tokyo, osaka] = [town.agent("tokyo"), town.agent("osaka")];
  for (const agent of [tokyo, osaka]) agent.client = faultyClient(agent.cluster, plan);
  let linked = false;
  const restart = async (agent: typeof tokyo): Promise<void> => {
    if (linked) await town.cut("tokyo", "osaka");
    linked = false;
    await town.stop(agent.name);
    agent.start();
  };
  const acts: (() => Promise<void> | void)[] = [
    () =>
      applyApp(town, pick(names), { replicas: Math.floor(random() * 4), image: pick(["web:1", "web:2", "missing"]) }),
    () => applyApp(town, pick(names), { replicas: Math.floor(random() * 4), image: pick(["web:1", "web:2"]) }),
    () => deleteApp(town, pick(names)),
    () => restart(tokyo),
    () => restart(osaka),
    async () => {
      if (linked) await town.cut("tokyo", "osaka");
      else await town.connect("tokyo", "osaka");
      linked = !linked;
    },
    () => setPolicy(town, pick(policies)),
    () => approveOne(town),
    () => {
      const found = deployments(town)[0];
      if (found) osaka.cluster.purge("deployments", `${found.metadata.namespace}/${found.metadata.name}`);
    },
    () => {
      const found = held(town)[0];
      if (found) osaka.cluster.purge("workloads", `${found.metadata.namespace}/${found.metadata.name}`);
    },
  ];
  try {
    town.pair("tokyo", "osaka");
    tokyo.start();
    osaka.start();
    for (let step = 0; step < steps; step += 1) {
      await pick(acts)();
      for (let turn = random() * 30; turn > 0; turn -= 1) await town.clock.advance(random() < 0.1 ? 500 : 0);
    }
    isWell = true;
    setPolicy(town, {});
    for (const name of names) if (findApp(town, name)) applyApp(town, name, { replicas: 2, image: "web:9" });
    if (!linked) await town.connect("tokyo", "osaka");
    await town.until("all is as wished", () => isAsWished(town), 600_000);
    assert.deepEqual(tokyo.workloads.origin.orphans(), []);
  } finally {
    await town.close();
  }
}

function isAsWished(town: Town): boolean {
  const wished = names.filter((name) => findApp(town, name));
  if (wished.some((name) => findApp(town, name)?.metadata.deletionTimestamp || phaseOf(town, name) !== "Ready"))
    return false;
  const running = deployments(town);
  if (held(town).length !== wished.length || running.length !== wished.length) return false;
  return running.every((one) => one.spec?.replicas === 2 && containerOf(one)?.image === "web:9");
}

/** Mulberry32: the same numbers for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
