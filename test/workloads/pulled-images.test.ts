/** What a host makes of images that come through the link: the Secret that pods pull with, and how it speaks of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { SecretText } from "../../src/base/secret-text.ts";
import { AppEventSchema } from "../../src/gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { Draft, ObjectMeta } from "../../src/kube/object.ts";
import type { ResourceKind } from "../../src/kube/resource-kind.ts";
import type { Pod } from "../../src/kube/resources.ts";
import type { Plan } from "../../src/workloads/host/plan.ts";
import { keepPullSecret, type PullSecretMade } from "../../src/workloads/host/pull-secret.ts";
import { inAskedNames, pulledImages } from "../../src/workloads/host/pulled-images.ts";
import { readiness } from "../../src/workloads/host/readiness.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { deployment, pod, workload } from "./objects.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const image = `registry.example.org:5000/shop/web:1@${digest}`;
const onNode = `localhost:30500/tokyo/registry.example.org__5000/shop/web@${digest}`;
const brought = workload({ image, imagePull: "ThroughOrigin" });
const door = { name: "localhost:30500", configFor: () => new SecretText("the config") };

function planOf(from: typeof brought): Plan {
  const { app } = from.spec;
  assert.ok(app);
  const images = pulledImages(door, from, app);
  assert.ok(!images || "names" in images);
  const plain = { isStopped: false, podSecurity: "baseline", nodeSelector: {}, surge: true, replicas: 1 } as const;
  return { app, ...plain, ...(images && { images }) };
}

const waiting = (message: string): Pod => pod("web-1", { state: { waiting: { reason: "ErrImagePull", message } } });

test("pods, Events and the app's own word say what the app calls an image, not what nodes call it", () => {
  const message = `failed to pull "${onNode}": 502`;
  const seen = readiness({
    desired: 1,
    controller: { kind: "Deployment", object: deployment({ replicas: 1, updatedReplicas: 1 }) },
    pods: [waiting(message)],
    template: "now",
    lastLines: () => undefined,
    progressDeadlineSeconds: 600,
    now: 0,
  });
  const events = [create(AppEventSchema, { reason: "Failed", message: `${onNode} and ${onNode}`, count: 3 })];
  const told = inAskedNames({ seen, events }, planOf(brought).images);
  assert.equal(told.seen.pods[0]?.message, `failed to pull "${image}": 502`);
  assert.ok(told.seen.message.includes(`"${image}"`), told.seen.message);
  assert.equal(told.events[0]?.message, `${image} and ${image}`);
  assert.equal(told.events[0]?.count, 3);
  const same = { seen, events };
  assert.equal(inAskedNames(same, undefined), same);
});

/** A host's cluster, as far as Secrets go: what was done, in its order. */
function keeper() {
  const clock = createFakeClock();
  const done: string[] = [];
  let made: PullSecretMade | undefined;
  const client = {
    async apply<T extends { metadata: ObjectMeta }>(kind: ResourceKind<T>, { metadata }: Draft<T>): Promise<T> {
      done.push(`apply ${metadata.name}`);
      return kind.parse({ metadata: { name: metadata.name ?? "" } });
    },
    delete: async (_kind: unknown, { name }: { name: string }) => {
      done.push(`delete ${name}`);
      return true;
    },
  };
  return {
    clock,
    done,
    async run(from: typeof brought, pods: Pod[] = []): Promise<void> {
      const room = { podsOf: () => pods };
      const o = { workload: from, plan: planOf(from), room };
      made = await keepPullSecret({ client, clock }, o, made, AbortSignal.timeout(5_000));
    },
  };
}

const name = "web-0123456789-pull";

test("a pull secret is made before the pods, again now and then, and soon while a pod waits for its image", async () => {
  const { run, done, clock } = keeper();
  await run(brought);
  await run(brought);
  assert.deepEqual(done, [`apply ${name}`]);
  await run(brought, [waiting("401")]);
  assert.equal(done.length, 1, "it was made just now");
  await clock.advance(10_000);
  await run(brought);
  assert.equal(done.length, 1, "nobody waits");
  await run(brought, [waiting("401")]);
  assert.equal(done.length, 2);
  await clock.advance(600_000);
  await run(brought);
  assert.equal(done.length, 3);
});

test("a pull secret goes, once, when images come from elsewhere, also of an agent that was started meanwhile", async () => {
  const plain = workload();
  const { run, done } = keeper();
  await run(brought);
  await run(plain);
  await run(plain);
  assert.deepEqual(done.splice(0), [`apply ${name}`, `delete ${name}`]);
  await run(brought);
  assert.deepEqual(done, [`apply ${name}`], "and is made again");

  const later = keeper();
  const old: Pod = { ...pod("web-1"), spec: { containers: [], imagePullSecrets: [{ name }] } };
  await later.run(plain, [pod("web-2")]);
  assert.deepEqual(later.done, []);
  await later.run(plain, [old]);
  await later.run(plain, [old]);
  assert.deepEqual(later.done, [`delete ${name}`]);
});
