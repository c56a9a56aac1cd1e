/** Ways around a person's approval. */
import { Code, ConnectError } from "@connectrpc/connect";
import { deployments } from "../../../../src/kube/resources.ts";
import { until } from "../../../patience.ts";
import { type Attack, ownApp } from "../attack.ts";
import { begin, nothingHeld, wish } from "../attacker.ts";
import { trySpecs } from "../attempts.ts";
import type { Ground } from "../ground.ts";

const always = { workloads: { accept: true, approval: "Always" } };

export const approvalAttacks: readonly Attack[] = [
  {
    name: "what a person approved runs, and nothing else by the same name, UID, generation or hash",
    who: "peer",
    tries:
      "Has one spec approved and sends another: with the same UID, generation and hash; after the approval; at the very moment of it.",
    stops:
      "The host hashes what it was asked for itself, a decision counts for that hash alone, and what runs is what was admitted.",
    async attempt(ground) {
      const { mallory } = ground;
      await ground.policy(always);
      const say = (image: string, generation: bigint) => {
        return wish({ uid: "m-1", hash: "the same", generation, spec: { image, replicas: 0 } });
      };
      const talk = await mallory.converse([begin, nothingHeld]);
      talk.say(say("good:1", 1n));
      const asked = await talk.outcome("m-1");
      const seen = await heldItem(ground);
      talk.say(say("evil:1", 1n));
      const changed = await until("the inbox has the other spec", async () => {
        const item = await heldItem(ground);
        return item.app?.image === "evil:1" && item;
      });
      const tooLate = await approve(ground, seen);
      const runsBefore = await imagesOf(ground);
      talk.say(say("good:1", 2n));
      const again = await until("the inbox has the first spec again", async () => {
        const item = await heldItem(ground);
        return item.app?.image === "good:1" && item;
      });
      const approved = await approve(ground, again);
      await until("it runs", async () => (await imagesOf(ground)) === "good:1");
      talk.say(say("evil:1", 2n));
      talk.say(say("evil:1", 3n));
      const edited = await talk.next("m-1", 3n);
      const runsAfter = await imagesOf(ground);
      await talk.close();
      return {
        "the first spec": asked,
        "the hash of the other": seen.hash === changed.hash ? "the same" : "another",
        "an approval of the first, when the other waits": tooLate,
        "what runs before any approval": runsBefore,
        "an approval of what waits": approved,
        "the other after it": edited,
        "what runs then": runsAfter,
      };
    },
    expect: {
      "the first spec": "Held approval/always",
      "the hash of the other": "another",
      "an approval of the first, when the other waits": "FailedPrecondition",
      "what runs before any approval": "",
      "an approval of what waits": "approved",
      "the other after it": "Held approval/always",
      "what runs then": "good:1",
    },
    audit: [
      { action: "app.admit", verdict: "held", rule: "approval/always" },
      { action: "app.decide", verdict: "allowed" },
    ],
    leaves: ownApp,
  },
  {
    name: "an edit in the moment of an approval never runs by it",
    who: "peer",
    tries: "Sends another spec again and again while a person approves the one that they saw.",
    stops: "The approval is written on the very version that was seen, and admission looks at its hash once more.",
    async attempt(ground) {
      await ground.policy(always);
      const talk = await ground.mallory.converse([begin, nothingHeld]);
      const ran = new Set<string>();
      let generation = 0n;
      const say = (image: string): void => {
        generation += 1n;
        talk.say(wish({ uid: "m-race", hash: "h", generation, spec: { image, replicas: 0 } }));
      };
      for (let round = 0; round < 6; round += 1) {
        say(`good:${round}`);
        const seen = await until("the inbox has the good one", async () => {
          const item = await heldItem(ground);
          return item.app?.image === `good:${round}` && item;
        });
        const decided = approve(ground, seen);
        for (let count = 0; count < 5; count += 1) say(`evil:${round}-${count}`);
        await decided;
        await talk.next("m-race", generation);
        ran.add(await imagesOf(ground));
      }
      await talk.close();
      const evil = [...ran].filter((images) => !/^(good:\d)?$/.test(images));
      return { "images that ran without approval": evil.join(" ") };
    },
    audit: [
      { action: "app.admit", verdict: "held" },
      { action: "app.decide", verdict: "allowed" },
    ],
    expect: { "images that ran without approval": "" },
    leaves: ownApp,
  },
  {
    name: "an image is new unless it is the very one that runs, and much is much in any form",
    who: "peer",
    tries:
      "Brings another image where only new ones must be approved, under names that are like a known one; asks for more than a threshold by scaling.",
    stops: "Images are compared as references in full, thresholds with all replicas counted.",
    async attempt(ground) {
      const { mallory } = ground;
      await ground.policy({ workloads: { accept: true, approval: "NewImage", approvalAbove: { pods: 2 } } });
      const talk = await mallory.converse([begin, nothingHeld]);
      talk.say(wish({ uid: "m-known", name: "known", spec: { image: "nginx:1.27", replicas: 1 } }));
      const first = await talk.outcome("m-known");
      const item = await heldItem(ground);
      await approve(ground, item);
      await until("it is admitted", async () => (await talk.outcome("m-known")) !== first);
      talk.say(
        wish({ uid: "m-known", name: "known", generation: 2n, hash: "2", spec: { image: "nginx:1.27", replicas: 5 } }),
      );
      const scaled = await talk.next("m-known", 2n);
      await talk.close();
      const image = (text: string) => ({ image: text, replicas: 1 });
      return {
        "the first one": first,
        "scaled to 5": scaled,
        ...(await trySpecs(mallory, {
          "the known one": image("docker.io/library/nginx:1.27"),
          "another tag": image("nginx:1.28"),
          "no tag": image("nginx"),
          "a digest": image(`nginx:1.27@sha256:${"a".repeat(64)}`),
          "another registry": image("registry.example.org/library/nginx:1.27"),
          "3 replicas": { image: "nginx:1.27", replicas: 3 },
        })),
      };
    },
    audit: [
      { action: "app.admit", verdict: "held", rule: "approval/new-image" },
      { action: "app.admit", verdict: "held", rule: "approval/above/pods" },
    ],
    expect: {
      "the first one": "Held approval/new-image",
      "scaled to 5": "Held approval/above/pods",
      "the known one": "runs",
      "another tag": "Held approval/new-image",
      "no tag": "Held approval/new-image",
      "a digest": "Held approval/new-image",
      "another registry": "Held approval/new-image",
      "3 replicas": "Held approval/above/pods",
    },
    leaves: ownApp,
  },
];

type Item = Awaited<ReturnType<typeof heldItem>>;

/** The one thing of the attacker's that waits. */
async function heldItem({ host, name }: Ground) {
  return until(
    "something waits in the inbox",
    async () => (await host.client.inbox.listInbox({ peer: name })).items[0],
  );
}

/** "approved", or the code of the error. */
async function approve({ host }: Ground, { name, hash }: Item): Promise<string> {
  try {
    await host.client.inbox.approveInboxItem({ name, hash });
    return "approved";
  } catch (error) {
    return Code[ConnectError.from(error).code] ?? "";
  }
}

/** The images of what runs for the attacker. */
async function imagesOf({ host, namespace, signal }: Ground): Promise<string> {
  const { items } = await host.kube.client.list(deployments, { namespace }, signal);
  return items.map(({ spec }) => spec?.template.spec?.containers[0]?.image ?? "").join(" ");
}
