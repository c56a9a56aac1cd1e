/** Strangers with a key of their own, and those who were peers: what they call, guess and claim. */
import { randomBytes } from "node:crypto";
import { ForwardService } from "../../../../src/gen/fairlead/peer/v1/forward_pb.ts";
import { IntentService, LeaseService } from "../../../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { MembershipService } from "../../../../src/gen/fairlead/peer/v1/membership_pb.ts";
import { PairingService } from "../../../../src/gen/fairlead/peer/v1/pairing_pb.ts";
import { PodService } from "../../../../src/gen/fairlead/peer/v1/pods_pb.ts";
import { TargetService } from "../../../../src/gen/fairlead/peer/v1/targets_pb.ts";
import { WorkloadService } from "../../../../src/gen/fairlead/peer/v1/workload_pb.ts";
import { peers } from "../../../../src/kube/resources.ts";
import { reasonName } from "../../../../src/wire/reason.ts";
import { until } from "../../../patience.ts";
import type { Attack } from "../attack.ts";
import { Attacker, wish } from "../attacker.ts";
import { outcomeOf } from "../attempts.ts";
import type { Ground } from "../ground.ts";

export const guestAttacks: readonly Attack[] = [
  {
    name: "a stranger may ask to be paired and nothing else, and is shown out when it goes on",
    who: "guest",
    tries:
      "Calls every method of every service without being paired, by its true path and by paths that look like pairing; dials.",
    stops:
      "Each stream is judged by who is behind the link at that moment: who is not in the roster reaches the pairing service alone; after eight refusals the link ends.",
    attempt: (ground) =>
      withStranger(ground, async (eve) => {
        const services = [
          MembershipService,
          WorkloadService,
          PodService,
          IntentService,
          LeaseService,
          TargetService,
          ForwardService,
        ];
        const methods = services.flatMap(({ typeName, methods }) => methods.map(({ name }) => `/${typeName}/${name}`));
        const pairing = `/${PairingService.typeName}`;
        const disguised = [
          `${pairing}/../${IntentService.typeName}/Sync`,
          `${pairing}/`,
          `${pairing}//Join`,
          `//${pairing}/Join`,
        ];
        const outcomes: Record<string, string> = {};
        const paths = [...methods, ...disguised, "/fairlead.console.v1.PeerService/CreateInvite"];
        for (const path of paths) outcomes[path] = await eve.call(path, []);
        outcomes["a dial"] = (
          await eve.dial({ kind: { case: "workload", value: { namespace: "default", name: "alice" } } })
        ).replace(/:.*/, "");
        await eve.link();
        const session = await eve.session();
        for (let count = 0; count < 8; count += 1) session.open({ rpc: { path: "/x/y" } });
        outcomes["eight refusals on one link"] = (await session.closed).message.slice(0, 26);
        return outcomes;
      }),
    expect: {
      "/fairlead.peer.v1.MembershipService/GetFacts": "cut PermissionDenied",
      "/fairlead.peer.v1.MembershipService/WatchStanding": "cut PermissionDenied",
      "/fairlead.peer.v1.MembershipService/Leave": "cut PermissionDenied",
      "/fairlead.peer.v1.WorkloadService/Check": "cut PermissionDenied",
      "/fairlead.peer.v1.WorkloadService/DeleteOrphan": "cut PermissionDenied",
      "/fairlead.peer.v1.PodService/Logs": "cut PermissionDenied",
      "/fairlead.peer.v1.PodService/Exec": "cut PermissionDenied",
      "/fairlead.peer.v1.PodService/ReadFiles": "cut PermissionDenied",
      "/fairlead.peer.v1.PodService/WriteFiles": "cut PermissionDenied",
      "/fairlead.peer.v1.IntentService/Sync": "cut PermissionDenied",
      "/fairlead.peer.v1.LeaseService/Renew": "cut PermissionDenied",
      "/fairlead.peer.v1.TargetService/ListTargets": "cut PermissionDenied",
      "/fairlead.peer.v1.ForwardService/Offer": "cut PermissionDenied",
      "/fairlead.peer.v1.PairingService/../fairlead.peer.v1.IntentService/Sync": "Unimplemented",
      "/fairlead.peer.v1.PairingService/": "Unimplemented",
      "/fairlead.peer.v1.PairingService//Join": "Unimplemented",
      "///fairlead.peer.v1.PairingService/Join": "cut PermissionDenied",
      "/fairlead.console.v1.PeerService/CreateInvite": "cut PermissionDenied",
      "a dial": "DENIED",
      "eight refusals on one link": "Only a peer may ask this. ",
    },
    audit: [{ action: "stream.open", verdict: "denied", peer: null, rule: "guest" }],
  },
  {
    name: "guessed tokens are unknown, soon too many, and keep nobody out who has a true one",
    who: "guest",
    tries: "Guesses tokens of invites; sends none, a short one, a long one, the token of a used invite.",
    stops:
      "128 random bits, kept as a hash, for one agent and a time; wrong ones are limited over all guests, right ones are not.",
    attempt: (ground) =>
      withStranger(ground, async (eve) => {
        const { line } = await ground.host.client.peers.createInvite({ name: "carol", grants: [] });
        const guess = async (token: Uint8Array): Promise<string> => {
          const pairing = await eve.client(PairingService);
          return outcomeOf(async () => {
            for await (const _ of pairing.join({ token, name: "eve" }));
            return "joined";
          });
        };
        const guesses: string[] = [];
        for (let count = 0; count < 40; count += 1) guesses.push(await guess(randomBytes(16)));
        const outcomes = {
          "no token": await guess(new Uint8Array()),
          "a short one": await guess(new Uint8Array(15)),
          "a long one": await guess(new Uint8Array(1024)),
          "the first guess": guesses[0] ?? "",
          "the fortieth guess": guesses.at(-1) ?? "",
          "one with a true token": await joinAs(ground, line),
          "the same token, by another": await outcomeOf(async () => eve.join(line, "carol").then(() => "joined")),
        };
        await ground.host.client.peers.removePeer({ name: "carol" });
        return outcomes;
      }),
    expect: {
      "no token": "InvalidArgument",
      "a short one": "InvalidArgument",
      "a long one": "InvalidArgument",
      "the first guess": "NotFound",
      "the fortieth guess": "ResourceExhausted",
      "one with a true token": "joined",
      "the same token, by another": "FailedPrecondition",
    },
    audit: [{ action: "peer.join", verdict: "denied", peer: null, rule: "invite/unknown" }],
  },
  {
    name: "a joiner's own name for itself becomes nobody else's name, prefix or place",
    who: "guest",
    tries:
      "Calls itself like another peer, `system`, a path, a prefix of the agent's namespaces, or in letters that look alike.",
    stops:
      "A suggestion is reduced to small letters, digits and dashes, numbered when it is taken, and always stands behind `fairlead-peer-`; the namespace must also bear the peer's fingerprint.",
    async attempt(ground) {
      const suggestions = [
        "alice",
        "ALICE",
        "alice\0",
        "аlice",
        "system",
        "../../kube-system",
        "",
        "-",
        `alice${"-".repeat(58)}`,
        "fairlead-peer-bob",
      ];
      const outcomes: Record<string, string> = {};
      for (const suggestion of suggestions) {
        outcomes[JSON.stringify(suggestion)] = await withStranger(ground, async (eve) => {
          const { line } = await ground.host.client.peers.createInvite({});
          await eve.join(line, suggestion);
          const { peers: known } = await ground.host.client.peers.listPeers({});
          const peer = known.find(({ spec }) => spec?.fingerprint === eve.fingerprint);
          return peer?.metadata?.name ?? "none";
        });
      }
      for (const name of Object.values(outcomes)) await ground.host.client.peers.removePeer({ name });
      return outcomes;
    },
    expect: {
      '"alice"': "alice-2",
      '"ALICE"': "alice-3",
      '"alice\\u0000"': "alice-4",
      '"аlice"': "lice",
      '"system"': "system",
      '"../../kube-system"': "kube-system",
      '""': "peer",
      '"-"': "peer-2",
      [JSON.stringify(`alice${"-".repeat(58)}`)]: "alice-5",
      '"fairlead-peer-bob"': "fairlead-peer-bob",
    },
  },
  {
    name: "a peer that was removed, or whose grant is over, gets no further with what it had",
    who: "removed peer",
    tries:
      "Goes on with open conversations, logs and dials after its grant was withdrawn, has expired, or the peer was removed; says its old words again.",
    stops:
      "Rights are those of this moment: what uses a right that went ends within a second, and the next word is judged anew.",
    async attempt(ground) {
      const { host } = ground;
      return withStranger(ground, async (eve) => {
        const { line } = await host.client.peers.createInvite({ name: "dave", grants: ["apps"] });
        await eve.join(line, "dave");
        const app = wish({ uid: "c-1", spec: { image: "fairlead.dev/demo-web:1", ports: [{ containerPort: 8080 }] } });
        const talk = await eve.converse();
        talk.say(app);
        await until("the app is ready", async () => (await talk.outcome("c-1")) === "Ready");
        const target = { kind: { case: "workload", value: { namespace: "shop", name: "web" } } } as const;
        const before = await eve.dial(target);
        const open = await eve.open(target);
        await host.client.peers.updatePeer({ name: "dave", grants: { values: [] } });
        const ended = await until("the stream is ended", () => open.errored?.message);
        const denied = await eve.dial(target);
        const again = await eve.converse();
        again.say(wish({ uid: "c-2", name: "other" }));
        const wished = await again.outcome("c-2");
        await host.client.peers.updatePeer({ name: "dave", grants: { values: ["apps"] } });
        await until("it may dial again", async () => (await eve.dial(target)) === "open");
        const expiring = await eve.open(target);
        const past = { spec: { grantsUntil: { apps: new Date(Date.now() - 1_000).toISOString() } } };
        await host.kube.client.mergePatch(peers, { namespace: "fairlead-system", name: "dave" }, past, ground.signal);
        const expired = await until("the stream is ended once more", () => expiring.errored?.message);
        const link = await eve.session();
        await host.client.peers.removePeer({ name: "dave", deleteWorkloads: true });
        const { reason } = await link.closed;
        return {
          "a dial while it may": before,
          "its stream, when the grant went": ended,
          "a dial after that": denied,
          "a wish after that": wished,
          "its stream, when the grant came to its end": expired,
          "its link, when it was removed": reasonName(reason),
          "a dial after its removal": (await eve.dial(target)).replace(/:.*/, ""),
          "the invite once more": await outcomeOf(() => eve.join(line, "dave").then(() => "joined")),
        };
      });
    },
    audit: [
      { action: "tunnel.revoke", verdict: "done", peer: "dave", rule: "grants/apps" },
      { action: "tunnel.open", verdict: "denied", peer: "dave", rule: "grants/apps" },
      { action: "app.admit", verdict: "denied", peer: "dave", rule: "grants/apps" },
      { action: "peer.join", verdict: "denied", peer: null, rule: "invite/used" },
      { action: "stream.open", verdict: "denied", peer: null, rule: "guest" },
    ],
    expect: {
      "a dial while it may": "open",
      "its stream, when the grant went": /grants\/apps/,
      "a dial after that": /^DENIED: .*grants\/apps/,
      "a wish after that": "Denied grants/apps",
      "its stream, when the grant came to its end": /grants\/apps/,
      "its link, when it was removed": "REMOVED",
      "a dial after its removal": "DENIED",
      "the invite once more": "FailedPrecondition",
    },
  },
];

async function withStranger<T>(ground: Ground, act: (eve: Attacker) => Promise<T>): Promise<T> {
  const eve = await Attacker.make(ground.address);
  try {
    return await act(eve);
  } finally {
    await eve.close();
  }
}

/** Whether an honest agent still gets in. */
function joinAs(ground: Ground, line: string): Promise<string> {
  return withStranger(ground, async (carol) => {
    await carol.join(line, "dave");
    return "joined";
  });
}
