/** Attempts on what belongs to somebody else, by its UID, its name or its place. */
import { PodService } from "../../../../src/gen/fairlead/peer/v1/pods_pb.ts";
import { WorkloadService } from "../../../../src/gen/fairlead/peer/v1/workload_pb.ts";
import { until } from "../../../patience.ts";
import { type Attack, ownApp } from "../attack.ts";
import { type Attacker, begin, nothingHeld, wish } from "../attacker.ts";
import { outcomeOf, tryWishes } from "../attempts.ts";

export const scopeAttacks: readonly Attack[] = [
  {
    name: "another peer's UIDs name nothing: in digests, wishes, tombstones and adoptions",
    who: "peer",
    tries: "Deletes, forgets, overwrites or adopts another peer's apps and orphans by their UIDs.",
    stops: "All that a peer says is looked up among its own first, by the fingerprint that the link has proved.",
    async attempt({ mallory, aliceApp, bobOrphan }) {
      const entries = [aliceApp, bobOrphan].map((uid) => ({ uid, generation: 1n, hash: "h" }));
      const talk = await mallory.converse([begin, { case: "digest", value: { entries, complete: true } }]);
      talk.say({ case: "forgotten", value: { uid: aliceApp } });
      talk.say({ case: "tombstone", value: { uid: aliceApp } });
      const deleted = await talk.outcome(aliceApp);
      talk.say({ case: "tombstone", value: { uid: bobOrphan } });
      const orphan = await talk.outcome(bobOrphan);
      await talk.close();
      const orphans = talk.answers.flatMap(({ message }) => (message.case === "orphans" ? message.value.orphans : []));
      return {
        "alice's app, deleted": deleted,
        "bob's orphan, deleted": orphan,
        "orphans that are shown": String(orphans.length),
        ...(await tryWishes(mallory, {
          "alice's app, wished for": { uid: aliceApp },
          "alice's app, adopted": { adopts: aliceApp },
          "bob's orphan, adopted": { adopts: bobOrphan },
        })),
      };
    },
    audit: [{ action: "app.admit", verdict: "allowed" }],
    expect: {
      // Of this caller there was nothing by that UID, which is what "gone" says.
      "alice's app, deleted": "gone",
      "bob's orphan, deleted": "gone",
      "orphans that are shown": "0",
      // UIDs are the origin's own words: what is wished for by them becomes the attacker's own app, beside the other.
      "alice's app, wished for": "runs",
      "alice's app, adopted": "runs",
      "bob's orphan, adopted": "runs",
    },
    leaves: ownApp,
  },
  {
    name: "orphans, logs and ports of another peer's apps are not found",
    who: "peer",
    tries: "Deletes another's orphan, reads another's logs, dials another's app, each by its true name and UID.",
    stops: "What is another's is the same as nothing: NOT_FOUND, whether it is there or not.",
    async attempt({ mallory, aliceApp, bobOrphan }) {
      const workloads = await mallory.client(WorkloadService);
      const deleteOrphan = (uid: string) => outcomeOf(async () => String(await workloads.deleteOrphan({ uid })));
      return {
        "bob's orphan, deleted": await deleteOrphan(bobOrphan),
        "alice's app, deleted as an orphan": await deleteOrphan(aliceApp),
        "nobody's orphan, deleted": await deleteOrphan("00000000-0000-0000-0000-000000000000"),
        "alice's log": await readLog(mallory, { namespace: "default", name: "alice" }),
        "a log in alice's namespace": await readLog(mallory, { namespace: "fairlead-peer-alice", name: "alice" }),
        "the agent's log": await readLog(mallory, { namespace: "fairlead-system", name: "fairlead" }),
        "alice's port": await dialApp(mallory, { namespace: "default", name: "alice" }),
        "alice's port, by her app's UID": await dialApp(mallory, {
          namespace: "default",
          name: "alice",
          uid: aliceApp,
        }),
        "nobody's port": await dialApp(mallory, { namespace: "default", name: "nobody" }),
      };
    },
    audit: [
      { action: "tunnel.open", verdict: "denied" },
      { action: "log.read", verdict: "denied" },
      { action: "orphan.delete", verdict: "denied" },
    ],
    expect: {
      "bob's orphan, deleted": "NotFound",
      "alice's app, deleted as an orphan": "NotFound",
      "nobody's orphan, deleted": "NotFound",
      "alice's log": "NotFound",
      "a log in alice's namespace": "NotFound",
      "the agent's log": "NotFound",
      "alice's port": "NOT_FOUND: No app of yours called default/alice runs here.",
      "alice's port, by her app's UID": "NOT_FOUND: No app of yours called default/alice runs here.",
      "nobody's port": "NOT_FOUND: No app of yours called default/nobody runs here.",
    },
  },
  {
    name: "a pod that is named in a request for logs must be one of the app's own",
    who: "peer",
    tries: "Asks for the log of an app of its own, and names another's pod, a path or a container of the agent.",
    stops: "Only pods that carry the app's label in the peer's own namespace are read; the name chooses among them.",
    async attempt({ mallory, alicePod }) {
      const talk = await mallory.converse();
      talk.say(wish({ uid: "m-log" }));
      await talk.outcome("m-log");
      const read = (pod: string) => readLog(mallory, { namespace: "shop", name: "web", pod });
      const outcomes = {
        "alice's pod": await read(alicePod),
        "a path": await read("../../fairlead-peer-alice/pods/x"),
        "a query": await read("x/log?previous=true#"),
      };
      talk.say({ case: "tombstone", value: { uid: "m-log" } });
      await until("it is gone", async () => (await talk.outcome("m-log")) === "gone");
      await talk.close();
      return outcomes;
    },
    audit: [{ action: "log.read", verdict: "allowed" }],
    expect: {
      "alice's pod": "NotFound",
      "a path": "NotFound",
      "a query": "NotFound",
    },
    leaves: ownApp,
  },
  {
    name: "forged generations make nothing newer than it is, and none of them is tried for ever",
    who: "peer",
    tries: "Sends wishes with generations that are lower than before, negative, beyond 2^31, 2^53 or 2^63.",
    stops:
      "A generation orders the words of one conversation and means nothing else; what is no generation is refused.",
    async attempt({ mallory }) {
      const talk = await mallory.converse([begin, nothingHeld]);
      talk.say(wish({ uid: "m-gen", name: "gen", generation: 7n, hash: "seven" }));
      await talk.outcome("m-gen");
      talk.say(wish({ uid: "m-gen", name: "gen", generation: 3n, hash: "three" }));
      talk.say(wish({ uid: "m-late", name: "late", generation: 1n }));
      await talk.outcome("m-late");
      const hashes = talk.about("m-gen").map((message) => (message.case === "state" ? message.value.hash : "?"));
      await talk.close();
      return {
        "a lower one after a higher one": [...new Set(hashes)].join(" "),
        ...(await tryWishes(mallory, {
          "the same number in a later conversation": { uid: "m-gen", name: "gen", generation: 1n },
          "0": { generation: 0n },
          "2^31 - 1": { generation: 2n ** 31n - 1n },
          "2^31": { generation: 2n ** 31n },
          "2^53 + 1": { generation: 2n ** 53n + 1n },
          "2^63 - 1": { generation: 2n ** 63n - 1n },
          "-1": { generation: -1n },
        })),
      };
    },
    audit: [{ action: "app.admit", verdict: "denied", rule: "generation" }],
    expect: {
      "a lower one after a higher one": "seven",
      "the same number in a later conversation": "runs",
      "0": "runs",
      "2^31 - 1": "runs",
      "2^31": "Invalid generation",
      "2^53 + 1": "ends InvalidArgument",
      "2^63 - 1": "ends InvalidArgument",
      "-1": "ends InvalidArgument",
    },
    leaves: ownApp,
  },
  {
    name: "names that are paths, prefixes or another's places end the conversation or stay names",
    who: "peer",
    tries:
      "Calls apps, namespaces and UIDs `../x`, `kube-system/x`, `%2e%2e`, 254 letters, or writes them in other alphabets.",
    stops:
      "Names are held to Kubernetes' rules before anything is done with them, and the host makes its own from them.",
    attempt: ({ mallory }) => {
      const names = {
        "../x": "../x",
        "../../kube-system/x": "../../kube-system/x",
        "kube-system/x": "kube-system/x",
        "%2e%2e": "%2e%2e",
        "a name with a NUL": "a\0b",
        "a name with a line feed": "a\nb",
        "a name in capitals": "WEB",
        "a name in Cyrillic": "аlice",
        "a name with an ideographic dot": "a。b",
        "254 letters": "a".repeat(254),
        "no name": "",
        "a dot": ".",
        "a dash at its end": "web-",
      };
      const cases = Object.entries(names).map(([what, name]) => [what, { name }] as const);
      return tryWishes(mallory, {
        ...Object.fromEntries(cases),
        "253 letters": { name: "a".repeat(253) },
        "an address": { name: "169.254.169.254" },
        "a namespace that is a path": { namespace: "../kube-system" },
        "the agent's namespace": { namespace: "fairlead-system" },
        "a namespace of 64 letters": { namespace: "n".repeat(64) },
        "a UID with a space": { uid: "m x" },
        "a UID that is a path": { uid: "../m" },
        "a UID of 65 letters": { uid: "m".repeat(65) },
        "a UID called __proto__": { uid: "__proto__" },
        "a UID called constructor": { uid: "constructor" },
        "no hash": { hash: "" },
        "a hash of 65 letters": { hash: "h".repeat(65) },
        "a hash with a line feed": { hash: "h\nx" },
      });
    },
    expect: {
      "../x": "ends InvalidArgument",
      "../../kube-system/x": "ends InvalidArgument",
      "kube-system/x": "ends InvalidArgument",
      "%2e%2e": "ends InvalidArgument",
      "a name with a NUL": "ends InvalidArgument",
      "a name with a line feed": "ends InvalidArgument",
      "a name in capitals": "ends InvalidArgument",
      "a name in Cyrillic": "ends InvalidArgument",
      "a name with an ideographic dot": "ends InvalidArgument",
      "254 letters": "ends InvalidArgument",
      "no name": "ends InvalidArgument",
      "a dot": "ends InvalidArgument",
      "a dash at its end": "ends InvalidArgument",
      // Only names: everything is made in the attacker's own namespace.
      "253 letters": "runs",
      "an address": "runs",
      "the agent's namespace": "runs",
      "a UID called constructor": "runs",
      "a namespace that is a path": "ends InvalidArgument",
      "a namespace of 64 letters": "ends InvalidArgument",
      "a UID with a space": "ends InvalidArgument",
      "a UID that is a path": "ends InvalidArgument",
      "a UID of 65 letters": "ends InvalidArgument",
      "a UID called __proto__": "ends InvalidArgument",
      "no hash": "ends InvalidArgument",
      "a hash of 65 letters": "ends InvalidArgument",
      "a hash with a line feed": "runs",
    },
    leaves: ownApp,
  },
];

async function readLog(mallory: Attacker, request: { namespace: string; name: string; pod?: string }): Promise<string> {
  const pods = await mallory.client(PodService);
  return outcomeOf(async () => {
    for await (const { event } of pods.logs(request)) {
      if (event.case === "notice" && event.value.kind === 4) return `FAILED ${event.value.message}`;
      if (event.case === "lines") return "lines";
    }
    return "nothing";
  });
}

function dialApp(mallory: Attacker, value: { namespace: string; name: string; uid?: string }): Promise<string> {
  return mallory.dial({ kind: { case: "workload", value } });
}
