/** One app's way through admission: held, approved, run, stopped by a policy, run again, ended by a person. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../src/kube/object.ts";
import type { HeldItem } from "../../src/workloads/host/inbox.ts";
import {
  applyApp,
  deployments,
  held,
  isWaiting,
  never,
  phaseOf,
  replicasOf,
  setPolicy,
  statusOf,
  waiting,
} from "../workloads/story.ts";
import type { Town } from "../workloads/town.ts";

/** `town` has tokyo and osaka, started and linked. Looks after each step that it ended right. */
export async function tellAdmission(town: Town): Promise<void> {
  const isReady = (image: string, replicas: number) => (): boolean =>
    phaseOf(town, "web") === "Ready" &&
    statusOf(town, "web").readyReplicas === replicas &&
    replicasOf(town, image) === replicas;
  await setPolicyAndWait(town, { approval: "Always", whenViolated: "Stop" });
  applyApp(town, "web", { image: "web:1", replicas: 2 });
  await town.until("it is held", () => phaseOf(town, "web") === "Held" && isWaiting(town));
  assert.deepEqual(deployments(town), []);
  await decide(town, "web:1", "Approved");
  await town.until("it runs", isReady("web:1", 2));
  applyApp(town, "web", { image: "web:2", replicas: 2 });
  await town.until("the change is held", () => phaseOf(town, "web") === "Held" && isWaiting(town));
  assert.equal(replicasOf(town, "web:1"), 2);
  await decide(town, "web:2", "Approved");
  await town.until("the change runs", isReady("web:2", 2));
  setPolicy(town, { approval: "Always", whenViolated: "Stop", deniedImages: ["web"] });
  await town.until("it is stopped", () => phaseOf(town, "web") === "Denied" && replicasOf(town, "web:2") === 0);
  setPolicy(town, { approval: "Always", whenViolated: "Stop" });
  await town.until("it runs again", isReady("web:2", 2));
  assert.equal(held(town).length, 1);
  assert.equal(deployments(town).length, 1);
  setPolicy(town, {});
}

/** A wish that comes before the news of a policy is judged without it. */
async function setPolicyAndWait(town: Town, workloads: JsonObject): Promise<void> {
  setPolicy(town, workloads);
  const { cluster } = town.agent("osaka");
  await town.until("the policy is known", () =>
    cluster.all("peerpolicies").every(({ metadata, status }) => status?.observedGeneration === metadata.generation),
  );
}

/** As a person does who gets an error: tries again. */
async function decide(town: Town, image: string, verdict: "Approved" | "Denied"): Promise<void> {
  let state: HeldItem["state"] = "Held";
  const attempt = (): void => {
    const item = waiting(town);
    assert.equal(item.app.image, image);
    const { host } = town.agent("osaka").workloads;
    host.decide(item.name, { hash: item.hash, verdict, by: "ada" }, never).then(
      (decided) => {
        state = decided.state;
      },
      () => {
        if (isWaiting(town)) attempt();
        else state = verdict;
      },
    );
  };
  attempt();
  await town.until("a person has decided", () => state === verdict);
}
