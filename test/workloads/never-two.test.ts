/**
 * An app that is to run at one peer never runs at two, whatever happens to links and agents: stories of random cuts, restarts,
 * refusals and lost answers, in which the copies that run are counted all the time. Each is the same for its number:
 * `SEED=17 node --test test/workloads/never-two.test.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { remoteApps } from "../../src/kube/resources.ts";
import { app, applyApp, deleteApp, findApp, hostIsEmpty, never, phaseOf, setPolicy } from "./story.ts";
import { Town } from "./town.ts";

const hosts = ["osaka", "kyoto", "nara"];
const seeds = process.env.SEED ? [Number(process.env.SEED)] : [1, 2, 5];
const steps = 60;

for (const seed of seeds) {
  test(`never at two peers, and at one in the end, in the story ${seed}`, { timeout: 300_000 }, async (t) => {
    const story = await begin(seed);
    t.after(() => story.town.close());
    for (let step = 0; step < steps; step += 1) await story.step();
    await story.end();
    t.diagnostic(`it moved ${story.moves()} times`);
  });
}

interface Story {
  readonly town: Town;
  step(): Promise<void>;
  end(): Promise<void>;
  moves(): number;
}

async function begin(seed: number): Promise<Story> {
  const random = randomFrom(seed);
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const town = new Town();
  const told: string[] = [];
  let isCalm = false;
  let holder = "";
  let moves = 0;
  let image = 1;
  const refusing = new Set<string>();
  for (const host of hosts) {
    town.pair("tokyo", host);
    town.agent("tokyo").peering.set(host, { labels: { able: "yes" } });
  }
  const tokyo = town.agent("tokyo");
  tokyo.client = faulty(tokyo.cluster, () => (isCalm ? 1 : random()));
  for (const name of ["tokyo", ...hosts]) town.agent(name).start();
  for (const host of hosts) await town.connect("tokyo", host);

  function count(): void {
    const running = hosts.filter((host) => town.agent(host).cluster.all("pods").length > 0);
    assert.ok(running.length <= 1, `it runs at ${running.join(" and ")}:\n${told.slice(-40).join("\n")}`);
    const held = findApp(town, "web")?.metadata.annotations?.["fairlead.dev/held-by"] ?? "";
    if (held !== "" && held !== holder) {
      told.push(`held by ${held}`);
      moves += 1;
      holder = held;
    }
  }

  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      await town.clock.advance(500);
      for (let turn = 0; turn < 3; turn += 1) await town.clock.advance(0);
      count();
    }
  }

  const deeds: Record<string, (host: string) => Promise<void> | void> = {
    async cut(host) {
      if (town.isLinked("tokyo", host)) await town.cut("tokyo", host);
    },
    async connect(host) {
      if (!town.isLinked("tokyo", host)) await town.connect("tokyo", host);
    },
    stall: (host) => town.stall("tokyo", host, true),
    flow: (host) => town.stall("tokyo", host, false),
    async restartOrigin() {
      await town.stop("tokyo");
      tokyo.start();
      // A new process has new links.
      for (const host of hosts) {
        if (!town.isLinked("tokyo", host)) continue;
        await town.cut("tokyo", host);
        await town.connect("tokyo", host);
      }
    },
    async restartHost(host) {
      const isLinked = town.isLinked("tokyo", host);
      if (isLinked) await town.cut("tokyo", host);
      await town.stop(host);
      await pass(2_000);
      town.agent(host).start();
      if (isLinked) await town.connect("tokyo", host);
    },
    refuse(host) {
      const isRefusing = refusing.has(host);
      if (isRefusing) refusing.delete(host);
      else refusing.add(host);
      setPolicy(town, { images: isRefusing ? null : [{ pattern: "nothing/*" }] }, host);
    },
    label(host) {
      const labels: Readonly<Record<string, string>> = tokyo.peering.get(host)?.labels ?? {};
      tokyo.peering.set(host, { labels: { able: labels.able === "yes" ? "no" : "yes" } });
    },
    // As before it is removed; in the end it is not.
    release(host) {
      const { origin } = tokyo.workloads;
      origin.release(host, never).then(
        ({ done }) => done(),
        () => undefined,
      );
    },
    edit() {
      image += 1;
      wish(`web:${image}`);
    },
    // The clock on the wall is set; no lease is longer for it.
    jump: () => town.clock.jump(20_000),
  };

  function wish(of: string): void {
    const selector = { matchLabels: { able: "yes" } };
    applyApp(town, "web", {
      image: of,
      placement: { selector, count: 1, move: "Unreachable", unreachableSeconds: 30 },
    });
  }

  wish("web:1");
  await pass(3_000);
  return {
    town,
    moves: () => moves,
    async step() {
      const deed = pick(Object.keys(deeds)) ?? "";
      const host = (random() < 0.5 && hosts.includes(holder) ? holder : pick(hosts)) ?? "";
      told.push(`${deed} ${host}`);
      await deeds[deed]?.(host);
      count();
      await pass(Math.floor((random() ** 2 * 60_000) / 500) * 500);
    },
    async end() {
      isCalm = true;
      for (const host of hosts) {
        town.stall("tokyo", host, false);
        await deeds.connect?.(host);
        setPolicy(town, { images: null }, host);
        tokyo.peering.set(host, { labels: { able: "yes" } });
      }
      for (let waited = 0; phaseOf(town, "web") !== "Ready"; waited += 1) {
        assert.ok(waited < 2_000, `${JSON.stringify(app(town, "web").status)}\n${told.slice(-40).join("\n")}`);
        await pass(500);
      }
      deleteApp(town, "web");
      await town.until("all gone", () => !findApp(town, "web") && hosts.every((host) => hostIsEmpty(town, host)));
    },
  };
}

/** Of the writes that say who holds an app, some fail, and some are carried out and look as if they had failed. */
function faulty(client: KubeClient, random: () => number): KubeClient {
  return {
    ...client,
    async mergePatch(kind, ref, patch, signal) {
      const fate = kind.plural === remoteApps.plural ? random() : 1;
      const failure = new KubeError({ status: 500, reason: "InternalError", message: "it was thrown" });
      if (fate < 0.15) throw failure;
      const done = await client.mergePatch(kind, ref, patch, signal);
      if (fate < 0.3) throw failure;
      return done;
    },
  };
}

/** Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
