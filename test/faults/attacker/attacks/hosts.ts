/** The attacker as a host: what it answers to an agent that has an app there. */
import { create } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { IntentService, type SyncRequest, type SyncResponse } from "../../../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { GetFactsResponseSchema, MembershipService } from "../../../../src/gen/fairlead/peer/v1/membership_pb.ts";
import { response } from "../../../../src/intent/messages.ts";
import { isNotFound } from "../../../../src/kube/errors.ts";
import { remoteApps } from "../../../../src/kube/resources.ts";
import { until } from "../../../patience.ts";
import type { Attack } from "../attack.ts";
import { honestly } from "../attacker.ts";
import type { Ground } from "../ground.ts";

type Answer = Parameters<typeof response>[0];

const welcome: Answer = { case: "welcome", value: { maxSpecBytes: 262_144, maxObjects: 100 } };
const nothing: Answer = { case: "digest", value: { entries: [], complete: true } };

export const hostAttacks: readonly Attack[] = [
  {
    name: "a host that answers too much, too long or about others loses the conversation and changes nothing here",
    who: "host",
    tries:
      "Answers an origin with endless digests, megabytes of status, words about objects that it was never asked for, `Gone` for what nobody deleted.",
    stops:
      "Every answer is held to the bounds of the protocol; a state counts only for the wish that it answers, `Gone` only after a deletion.",
    attempt: (ground) =>
      withApp(ground, async (uid) => {
        const page = (count: number, from = 0): Answer => {
          const entries = Array.from({ length: count }, (_, index) => ({
            uid: `x-${from + index}`,
            generation: 1n,
            hash: "h",
          }));
          return { case: "digest", value: { entries } };
        };
        const state = (status: string, about = uid): Answer => {
          return { case: "state", value: { uid: about, generation: 1n, hash: "h", status } };
        };
        const tries: Record<string, readonly Answer[]> = {
          "501 entries in a page": [welcome, page(501)],
          "30,000 entries": [welcome, ...Array.from({ length: 60 }, (_, index) => page(500, index * 500))],
          "a digest after its end": [welcome, nothing, nothing],
          "a status of over 1 MiB": [welcome, nothing, state("x".repeat(1_048_577))],
          "501 orphans": [
            welcome,
            nothing,
            { case: "orphans", value: { orphans: Array.from({ length: 501 }, () => ({})) } },
          ],
          "501 needs": [welcome, nothing, { case: "need", value: { uids: Array.from({ length: 501 }, () => uid) } }],
        };
        const outcomes: Record<string, string> = {};
        for (const [what, answers] of Object.entries(tries))
          outcomes[what] = await answer(ground, answers, "until cut");
        const harmless: Record<string, readonly Answer[]> = {
          "states of others' objects": [welcome, nothing, state("{}", "x-1"), state("{}", ground.aliceApp)],
          "a status that is no JSON": [welcome, nothing, state("{")],
          "gone, which nobody asked for": [welcome, nothing, { case: "gone", value: { uid } }],
          "needs of others' objects": [welcome, nothing, { case: "need", value: { uids: ["x-1", ground.aliceApp] } }],
          "orphans of others": [
            welcome,
            nothing,
            { case: "orphans", value: { orphans: [{ uid: ground.aliceApp, namespace: "default", name: "alice" }] } },
          ],
          "100 welcomes": [...Array.from({ length: 100 }, () => welcome), nothing],
        };
        for (const [what, answers] of Object.entries(harmless))
          outcomes[what] = await answer(ground, answers, "until asked");
        const app = await ground.host.kube.client.get(remoteApps, lure, ground.signal);
        outcomes["the app's object after all that"] = app && !app.metadata.deletionTimestamp ? "there" : "gone";
        return outcomes;
      }),
    expect: {
      "501 entries in a page": "cut",
      "30,000 entries": "cut",
      "a digest after its end": "cut",
      "a status of over 1 MiB": "cut",
      "501 orphans": "cut",
      "501 needs": "cut",
      "states of others' objects": "a wish for its own app",
      "a status that is no JSON": "a wish for its own app",
      "gone, which nobody asked for": "a wish for its own app",
      "needs of others' objects": "a wish for its own app",
      "orphans of others": "a wish for its own app",
      "100 welcomes": "a wish for its own app",
      "the app's object after all that": "there",
    },
  },
  {
    name: "a host's word about an app is shown as its word, and cut to what fits",
    who: "host",
    tries:
      "Puts links, terminal escapes, foreign fields and thousands of pods into a status; says of itself whatever it likes.",
    stops:
      "Of a host's status only known fields are taken, each within bounds; the URL is made here; facts are shown as said by the peer and select nothing.",
    attempt: (ground) =>
      withApp(ground, async (uid) => {
        const pods = Array.from({ length: 2_000 }, (_, index) => ({
          name: `pod-${index}`,
          lastLines: "x".repeat(300),
        }));
        const status = {
          phase: "Ready",
          reason: "\u001b]0;owned\u0007",
          message: "m".repeat(100_000),
          url: "javascript:alert(1)",
          peer: "alice",
          hostNamespace: "fairlead-system",
          replicas: -5,
          unknownSince: "2020-01-01T00:00:00Z",
          conditions: [{ type: "Ready", status: "True", reason: "Forged", message: "" }],
          pods,
        };
        await answer(
          ground,
          (wish) => [
            welcome,
            nothing,
            ...(wish
              ? [
                  {
                    case: "state",
                    value: { uid, generation: wish.generation, hash: wish.hash, status: JSON.stringify(status) },
                  } as const,
                ]
              : []),
          ],
          "until asked",
        );
        const shown = await until("the status is mirrored", async () => {
          const app = await ground.host.kube.client.get(remoteApps, lure, ground.signal);
          return app?.status?.phase === "Ready" && app.status;
        });
        const { peers } = await ground.host.client.peers.listPeers({});
        const facts = peers.find(({ metadata }) => metadata?.name === ground.name);
        return {
          url: String(shown.url?.startsWith("javascript:") ?? false),
          peer: shown.peer === ground.name ? "its own" : String(shown.peer),
          reason: shown.reason ?? "",
          replicas: String(shown.replicas),
          "characters of the message": String(shown.message?.length),
          pods: String(shown.pods.length),
          "a forged condition": String(shown.conditions.some(({ reason }) => reason === "Forged")),
          "the labels of the peer that says it is trusted": String("trusted" in (facts?.metadata?.labels ?? {})),
        };
      }),
    expect: {
      url: "false",
      peer: "its own",
      reason: "Ready",
      replicas: "0",
      "characters of the message": "2048",
      pods: "100",
      "a forged condition": "false",
      "the labels of the peer that says it is trusted": "false",
    },
  },
];

const lure = { namespace: "default", name: "lure" };

/** The host of all other attacks becomes an origin that has an app at mallory's. */
async function withApp<T>(ground: Ground, act: (uid: string) => Promise<T>): Promise<T> {
  const { client } = ground.host.kube;
  ground.mallory.serves(honestly);
  await ground.command(["app", "deploy", lure.name, "--peer", ground.name, "--image", "fairlead.dev/echo:1"]);
  try {
    const app = await client.get(remoteApps, lure, ground.signal);
    return await act(app?.metadata.uid ?? "");
  } finally {
    ground.mallory.serves(honestly);
    await client.delete(remoteApps, lure, {}, ground.signal);
    // The agent may have been quicker: mallory's last word, honestly given, may be that nothing of it is left.
    await client.mergePatch(remoteApps, lure, { metadata: { finalizers: null } }, ground.signal).catch((error) => {
      if (!isNotFound(error)) throw error;
    });
    await until("the app's object is gone", async () => !(await client.get(remoteApps, lure, ground.signal)));
  }
}

/** Lets the host ask on a new link, and answers; tells how the conversation went on. */
async function answer(
  ground: Ground,
  answers: readonly Answer[] | ((wish: { generation: bigint; hash: string } | undefined) => readonly Answer[]),
  how: "until cut" | "until asked",
): Promise<string> {
  const heard: SyncRequest[] = [];
  let isCut = false;
  const script = typeof answers === "function" ? answers : () => answers;
  ground.mallory.serves((router: ConnectRouter) => {
    router.service(MembershipService, {
      getFacts: () =>
        create(GetFactsResponseSchema, { version: "9.9.9", facts: { trusted: "true", "fairlead.dev/label": "x" } }),
    });
    router.service(IntentService, {
      async *sync(requests: AsyncIterable<SyncRequest>, context): AsyncGenerator<SyncResponse> {
        context.signal.addEventListener("abort", () => {
          isCut = true;
        });
        for (const one of script(undefined)) yield response(one);
        for await (const request of requests) {
          heard.push(request);
          const { message } = request;
          if (message.case === "wish") for (const one of script(message.value).slice(2)) yield response(one);
        }
      },
    });
  });
  await ground.mallory.link();
  if (how === "until cut") {
    await until("the origin ends the conversation", () => isCut);
    return "cut";
  }
  const asked = await until("the origin says its wish", () => heard.find(({ message }) => message.case === "wish"));
  return asked.message.case === "wish" && asked.message.value.name === lure.name
    ? "a wish for its own app"
    : "another's";
}
