import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { findCauses, type Looked, type LookedPeer } from "../../../src/console/notifications/causes.ts";
import { InboxItemSchema, InboxItem_State as State } from "../../../src/gen/fairlead/console/v1/inbox_service_pb.ts";
import {
  RemoteAppSpecSchema,
  RemoteAppStatusSchema,
} from "../../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { RemoteApp } from "../../../src/kube/resources.ts";

const now = Date.parse("2026-11-22T12:00:00Z");
const day = 24 * 3_600_000;
const before = (ms: number): string => new Date(now - ms).toISOString();

function looked(more: Partial<Looked> = {}): Looked {
  const nothing = { inbox: [], apps: [], peers: [], certificates: [], components: [], auditUnwrittenMs: 0 };
  return { now, concernOf: () => ["berlin"], ...nothing, ...more };
}

function app(phase: string, more: Partial<RemoteApp["metadata"]> = {}): RemoteApp {
  const conditions = [{ type: "Ready", status: "False", lastTransitionTime: before(10_000) }];
  return {
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "RemoteApp",
    metadata: { namespace: "shop", name: "web", ...more },
    spec: create(RemoteAppSpecSchema, {}),
    status: create(RemoteAppStatusSchema, { phase, message: "1 of 3 pods CrashLoopBackOff", conditions }),
  };
}

const peer = (more: Partial<LookedPeer> = {}): LookedPeer => {
  return { name: "berlin", uid: "u", joinedAt: now - 2 * day, connected: true, since: now, ...more };
};

/** As in "LinkDown/Problem berlin, due in 3 s". */
const told = (found: Partial<Looked>): string[] =>
  findCauses(looked(found)).map(
    ({ kind, severity, summary, dueAt }) => `${kind}/${severity} ${summary}, ${Math.round((dueAt - now) / 1_000)} s`,
  );

suite("what needs somebody", () => {
  const item = (state: State) =>
    create(InboxItemSchema, { name: "berlin/web", peer: "berlin", subject: "shop/web", state, since: before(5_000) });

  for (const [what, found, expected] of [
    ["nothing, when all is well", { apps: [app("Ready")], peers: [peer()] }, []],
    ["what a peer asks for", { inbox: [item(State.HELD)] }, ["Inbox/Warning shop/web of berlin waits for you, -5 s"]],
    ["nothing that was decided", { inbox: [item(State.APPROVED), item(State.DENIED)] }, []],
    [
      "an app that is Degraded for half a minute",
      { apps: [app("Degraded")] },
      ["AppFailing/Problem shop/web is not as it should be at berlin, 20 s"],
    ],
    ["an app that is refused", { apps: [app("Denied")] }, ["AppRefused/Problem shop/web is refused at berlin, -10 s"]],
    ["no app that is being deleted", { apps: [app("Degraded", { deletionTimestamp: before(1) })] }, []],
    [
      "a link that is down for a minute",
      { peers: [peer({ connected: false, since: now - 59_000 })] },
      ["LinkDown/Problem There is no link to berlin, 1 s"],
    ],
    [
      "who has joined in the last day",
      { peers: [peer({ joinedAt: now - 3_000 })] },
      ["PeerJoined/Info berlin has joined, -3 s"],
    ],
    [
      "a version that is too far away",
      { peers: [peer({ skew: { summary: "berlin is old", remedy: "" } })] },
      ["VersionSkew/Warning berlin is old, 0 s"],
    ],
    [
      "no certificate that has time",
      { certificates: [{ name: "link", validFrom: now - 4 * day, validTo: now + 2 * day }] },
      [],
    ],
    [
      "a certificate of which less than a fifth is left",
      { certificates: [{ name: "console", validFrom: now - 8 * day, validTo: now + day }] },
      [`Certificate/Warning The certificate of the console ends soon, ${-0.8 * 86_400} s`],
    ],
    [
      "a certificate that has ended",
      { certificates: [{ name: "link", validFrom: now - 10 * day, validTo: now }] },
      ["Certificate/Problem The certificate of the link has ended, -172800 s"],
    ],
    [
      "an audit that is not written for half a minute, once",
      { auditUnwrittenMs: 31_000, components: [{ name: "audit", ok: false, problem: "late" }] },
      ["Audit/Problem The audit cannot be written where it is kept, -1 s"],
    ],
    [
      "a part of the agent that is not well",
      {
        components: [
          { name: "api-server", ok: false, problem: "It is away." },
          { name: "identity", ok: true },
        ],
      },
      ["Component/Problem A part of the agent is not well: api-server, 0 s"],
    ],
  ] satisfies [string, Partial<Looked>, string[]][]) {
    test(what, () => assert.deepEqual(told(found), expected));
  }

  test("what is about an app that may run anywhere is about all peers", () => {
    const [of] = findCauses(looked({ apps: [app("Denied")], concernOf: () => "all" }));
    assert.deepEqual([of?.peers, of?.summary], [[], "shop/web is refused"]);
  });
});
