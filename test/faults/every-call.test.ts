/**
 * Two stories of an app, told again and again with another call to an API server going wrong each time, in each way in which
 * one goes wrong: it always ends right, with nothing doubled and nothing left.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyApp, deleteApp, deployments, findApp, held, hostIsEmpty, phaseOf, statusOf } from "../workloads/story.ts";
import { Town } from "../workloads/town.ts";
import { tellAdmission } from "./admission-story.ts";
import { type Fault, type FaultPlan, failOnce, faults, faultyClient } from "./faulty-client.ts";

type Plans = { tokyo?: FaultPlan; osaka?: FaultPlan };

/** Deploys, edits, scales, loses the link, restarts both agents and deletes, and looks after each step that it ended right. */
async function life(town: Town): Promise<void> {
  const isReady = (ready: number) => (): boolean =>
    phaseOf(town, "web") === "Ready" && statusOf(town, "web").readyReplicas === ready;
  applyApp(town, "web", { replicas: 1 });
  await town.until("it runs", isReady(1));
  applyApp(town, "web", { replicas: 2, image: "web:2" });
  await town.until("it is edited", isReady(2));
  await town.cut("tokyo", "osaka");
  applyApp(town, "web", { replicas: 3, image: "web:2" });
  await town.stop("tokyo");
  await town.stop("osaka");
  town.agent("osaka").start();
  town.agent("tokyo").start();
  await town.connect("tokyo", "osaka");
  await town.until("it is scaled", isReady(3));
  assert.equal(held(town).length, 1);
  assert.equal(deployments(town).length, 1);
  // A write that fails is tried again, and the origin may hear before it succeeds.
  await town.until("the host says so too", () => held(town)[0]?.status?.phase === "Ready");
}

const stories = { life, admission: tellAdmission };
type Story = keyof typeof stories;

/** Tells a story between two agents that are linked, and then deletes what is left of it. */
async function tell(story: Story, plans: Plans): Promise<void> {
  const town = new Town();
  try {
    town.pair("tokyo", "osaka");
    for (const name of ["tokyo", "osaka"] as const) {
      const [agent, plan] = [town.agent(name), plans[name]];
      if (plan) agent.client = faultyClient(agent.cluster, plan);
      agent.start();
    }
    await town.connect("tokyo", "osaka");
    await stories[story](town);
    deleteApp(town, "web");
    await town.until("it is gone", () => findApp(town, "web") === undefined && hostIsEmpty(town));
  } finally {
    await town.close();
  }
}

const quiet: FaultPlan = { next: () => undefined };

/** The second story adds no call that would tell these from the others that the first story meets in every way. */
const plain: readonly Fault[] = ["410", "429", "time-out"];

for (const story of ["life", "admission"] as const) {
  for (const side of ["tokyo", "osaka"] as const) {
    const which = side === "tokyo" ? "origin" : "host";
    for (const fault of faults.filter((one) => story === "life" || !plain.includes(one))) {
      test(`${story}: each call of the ${which}'s API server in turn ends with ${fault}: it ends right`, async () => {
        const good = failOnce(-1, fault);
        await tell(story, { [side]: good });
        assert.ok(good.calls.length > 15, `a good run has ${good.calls.length} calls`);
        for (let index = 0; index < good.calls.length; index += 1) {
          await tellWith(story, side, index, fault, good.calls[index]);
        }
      });
    }
  }
}

async function tellWith(
  story: Story,
  side: "tokyo" | "osaka",
  index: number,
  fault: Fault,
  call: string | undefined,
): Promise<void> {
  try {
    await tell(story, { [side]: failOnce(index, fault) });
  } catch (cause) {
    throw new Error(`With "${fault}" for call ${index} (${call} in a good run) it did not end right.`, { cause });
  }
}

test("an API server that fails half of its calls, in every way, for both agents, delays everything and spoils nothing", async () => {
  const half = (): FaultPlan => {
    let count = 0;
    const next = (): Fault | undefined => {
      count += 1;
      return faults[count % (2 * faults.length)];
    };
    return { next };
  };
  for (const story of ["life", "admission"] as const) {
    await tell(story, { tokyo: half(), osaka: half() });
    await tell(story, { tokyo: quiet, osaka: quiet });
  }
});
