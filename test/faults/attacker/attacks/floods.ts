/** Too much of what is allowed once. */
import { connect } from "node:net";
import { create } from "@bufbuild/protobuf";
import { MembershipService } from "../../../../src/gen/fairlead/peer/v1/membership_pb.ts";
import { PodService } from "../../../../src/gen/fairlead/peer/v1/pods_pb.ts";
import { WorkloadService } from "../../../../src/gen/fairlead/peer/v1/workload_pb.ts";
import { TargetSchema } from "../../../../src/gen/fairlead/wire/v1/target_pb.ts";
import { Reason } from "../../../../src/wire/reason.ts";
import { until } from "../../../patience.ts";
import { type Attack, ownApp } from "../attack.ts";
import { Attacker, begin, nothingHeld, wish } from "../attacker.ts";
import { outcomeOf } from "../attempts.ts";
import { callOf } from "../wiretap.ts";

const spec = { image: "fairlead.dev/echo:1", replicas: 0 };

export const floodAttacks: readonly Attack[] = [
  {
    name: "10,000 wishes at once leave as many apps as the policy has room for, and a handful of lines in the audit",
    who: "peer",
    tries: "Wishes for 10,000 apps in one breath, and again under other UIDs.",
    stops:
      "Refusals are answers that store nothing; a peer's objects and bytes are bounded; the audit counts what comes too often.",
    async attempt(ground) {
      await ground.policy({ workloads: { accept: true, maxApps: 3 } });
      const talk = await ground.mallory.converse([begin, nothingHeld]);
      const start = ground.audit.lines.length;
      for (let index = 0; index < 10_000; index += 1) talk.say(wish({ uid: `m-${index}`, name: `app-${index}`, spec }));
      const meanwhile = ground.serves();
      meanwhile.catch(() => undefined); // It is awaited below, and may fail before.
      await until("all are answered", () => talk.end ?? talk.answered >= 10_000);
      await meanwhile;
      const lines = ground.audit.lines.length - start;
      await talk.close();
      return { apps: String(await ground.held()), "lines of the audit": lines < 300 ? "few" : `${lines}` };
    },
    expect: { apps: "3", "lines of the audit": "few" },
    audit: [{ action: "app.admit", verdict: "denied", rule: "apps/max" }],
    leaves: ownApp,
  },
  {
    name: "an inbox takes so many wishes of one peer and no more, and shows those of others",
    who: "peer",
    tries: "Has 10,000 wishes held, so that nobody finds another's among them and the cluster's store fills.",
    stops: "Of one peer only so many may wait at a time; the rest is refused until some of them are decided.",
    async attempt(ground) {
      await ground.policy({ workloads: { accept: true, approval: "Always" } });
      const talk = await ground.mallory.converse([begin, nothingHeld]);
      const total = 10_000;
      for (let index = 0; index < total; index += 1) talk.say(wish({ uid: `m-${index}`, name: `app-${index}`, spec }));
      await until("all are answered", () => talk.end ?? talk.answered >= total);
      await talk.close();
      const { items } = await ground.host.client.inbox.listInbox({});
      return {
        "items that wait": items.length <= 100 ? "at most 100" : String(items.length),
        stored: (await ground.held()) <= 100 ? "at most 100" : "more",
      };
    },
    audit: [
      { action: "app.admit", verdict: "held", rule: "approval/always" },
      { action: "app.admit", verdict: "denied", rule: "inbox/full" },
    ],
    expect: { "items that wait": "at most 100", stored: "at most 100" },
    leaves: ownApp,
  },
  {
    name: "streams that are opened and reset 20,000 times starve nobody",
    who: "peer",
    tries: "Opens streams and resets them at once, as fast as the wire takes them.",
    stops: "Opens and resets in a second are bounded; beyond it opens are refused, and then the session ends.",
    async attempt(ground) {
      const { peer, first } = await ground.mallory.rawSession();
      const meanwhile = ground.serves();
      meanwhile.catch(() => undefined); // It is awaited below, and may fail before.
      for (let count = 0; count < 20_000 && !peer.closed; count += 1) {
        const id = first + 2 * count;
        peer.send(callOf(id, "/x/y"), { stream: BigInt(id), kind: { case: "reset", value: { reason: 1 } } });
        if (count % 500 === 499) await until("it is sent", () => peer.closed || !peer.carrier.writableNeedDrain);
      }
      await meanwhile;
      const calls = await until("what was opened is over", async () => (await ground.metric("calls")) < 50);
      peer.carrier.destroy();
      return { "calls that still run": calls ? "few" : "many" };
    },
    expect: { "calls that still run": "few" },
  },
  {
    name: "calls that never end are bounded for each peer, end with it, and others' go on",
    who: "peer",
    tries:
      "Opens 2,000 calls that last and 2,000 that never say what they ask, reads none of the answers, and hangs up.",
    stops:
      "Of lasting calls a peer has a few, of all calls a share of the room that is left; whatever it opened ends with its link.",
    async attempt(ground) {
      const before = await ground.metric("calls");
      const session = await ground.mallory.session();
      const open = (path: string, isAsked: boolean): void => {
        const headers = new Headers({ "content-type": "application/grpc+proto" });
        const stream = session.open({ rpc: { path, headers } });
        stream.write([Buffer.alloc(5)], () => undefined);
        if (isAsked) stream.end();
      };
      for (let count = 0; count < 2_000; count += 1) open(`/${MembershipService.typeName}/WatchStanding`, true);
      const lasting = await until("all of them have arrived", async () => {
        const calls = await ground.metric("calls");
        return session.stats().waitingBytes === 0 && calls > before && calls - before;
      });
      for (let count = 0; count < 2_000; count += 1) open(`/${WorkloadService.typeName}/Check`, false);
      await ground.serves();
      session.close({ reason: Reason.SHUTDOWN, message: "" });
      await until("they are over", async () => (await ground.metric("calls")) <= before);
      return { "lasting calls": lasting <= 64 ? "at most 64" : String(lasting), "calls when it has gone": "as before" };
    },
    expect: { "lasting calls": "at most 64", "calls when it has gone": "as before" },
  },
  {
    name: "an agent that comes again and again has one link that counts, and a few that end",
    who: "peer",
    tries: "Opens 60 links with its identity; says on half of them that it leaves, and stays.",
    stops: "Of one peer one link counts; what it replaces ends soon, and only so many may be ending.",
    async attempt(ground) {
      const { mallory } = ground;
      const before = await ground.metric("links");
      for (let count = 0; count < 30; count += 1) await mallory.link();
      // Who says that it leaves, and stays, is waited for.
      for (let count = 0; count < 30; count += 1) void (await mallory.link()).session.drain("leaving", 60_000);
      const after = await ground.metric("links");
      await mallory.close();
      return { "links that stand": after - before <= 16 ? "at most 16" : String(after - before) };
    },
    expect: { "links that stand": "at most 16" },
  },
  {
    name: "connections that say nothing are few, and keep no agent out",
    who: "guest",
    tries: "Holds 300 connections to the peer port open and says nothing; comes with 70 keys that nobody knows.",
    stops:
      "Strangers are few in all and from one address, the oldest gives way, and each has ten seconds; so it is with guests.",
    async attempt(ground) {
      const sockets = Array.from({ length: 300 }, () => connect(ground.host.agent.ports.link, "127.0.0.1"));
      for (const socket of sockets) socket.on("error", () => undefined);
      await until("they are there", () => sockets.every((socket) => !socket.connecting));
      const strangers = await until("the bound is reached", async () => {
        const count = await ground.metric("strangers");
        return count >= 60 && count;
      });
      await ground.mallory.link();
      for (const socket of sockets) socket.destroy();
      const before = await ground.metric("links");
      const guests = await Promise.all(Array.from({ length: 70 }, () => Attacker.make(ground.address)));
      for (const guest of guests) await guest.link();
      const links = await until("the oldest have gone", async () => {
        const count = (await ground.metric("links")) - before;
        return count <= 64 && count;
      });
      await Promise.all(guests.map((guest) => guest.close()));
      return {
        strangers: strangers <= 128 ? "at most 128" : String(strangers),
        guests: links > 0 ? "at most 64" : "none",
      };
    },
    expect: { strangers: "at most 128", guests: "at most 64" },
  },
  {
    name: "refused dials fill neither the inbox nor the audit",
    who: "peer",
    tries: "Dials 3,000 names where a person must approve each first use, and 3,000 of nobody's where none need.",
    stops:
      "What waits for a person is bounded for each peer; what is refused is written down one by one while it is seldom, and counted when it is not.",
    async attempt(ground) {
      const session = await ground.mallory.session();
      const start = ground.audit.lines.length;
      const dialAll = (): Promise<unknown> => {
        const dials = Array.from({ length: 3_000 }, (_, index) => {
          const value = { namespace: "shop", name: `app-${index}` };
          return session.dial(create(TargetSchema, { kind: { case: "workload", value } })).catch(() => undefined);
        });
        return Promise.all(dials);
      };
      await dialAll();
      await ground.policy({ workloads: { accept: true }, tunnels: { approval: "FirstUse" } });
      await dialAll();
      const { items } = await ground.host.client.inbox.listInbox({ peer: ground.name });
      const lines = ground.audit.lines.length - start;
      return {
        "targets that wait": items.length <= 64 ? "at most 64" : String(items.length),
        "lines of the audit": lines < 300 ? "few" : String(lines),
      };
    },
    expect: { "targets that wait": "at most 64", "lines of the audit": "few" },
    audit: [{ action: "tunnel.open", verdict: "denied" }],
  },
  {
    name: "of many conversations of one peer only the last is served, and its logs are counted",
    who: "peer",
    tries: "Begins 300 conversations at once and follows its own logs 200 times.",
    stops: "The later conversation ends the earlier; logs that one peer reads are bounded.",
    async attempt(ground) {
      const { mallory } = ground;
      const talks = await Promise.all(Array.from({ length: 300 }, () => mallory.converse([begin, nothingHeld])));
      await until("all but one are ended", () => talks.filter(({ end }) => end === undefined).length <= 1);
      const last = talks.find(({ end }) => end === undefined) ?? (await mallory.converse());
      last.say(wish({ uid: "m-last" }));
      const outcome = await last.outcome("m-last");
      const follow = new AbortController();
      const client = await mallory.client(PodService);
      const refused = new Set<string>();
      let count = 0;
      const logs = Array.from({ length: 200 }, async () => {
        const end = await outcomeOf(async () => {
          for await (const _ of client.logs(
            { namespace: "shop", name: "web", follow: true },
            { signal: follow.signal },
          ));
          return "ended";
        });
        if (end !== "Canceled") {
          count += 1;
          refused.add(end);
        }
      });
      await until("the bound is reached", () => count >= 136);
      follow.abort();
      await Promise.all(logs);
      await Promise.all(talks.map((talk) => talk.close()));
      return {
        "the last conversation": outcome === "Denied" ? outcome : "served",
        "logs beyond the bound": [...refused].join(" "),
      };
    },
    expect: { "the last conversation": "served", "logs beyond the bound": "ResourceExhausted" },
    leaves: ownApp,
  },
];
