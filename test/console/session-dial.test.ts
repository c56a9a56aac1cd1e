import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { systemClock } from "../../src/base/clock.ts";
import { createSessionDial, type SessionDialDeps } from "../../src/console/session-dial.ts";
import type { Destination } from "../../src/tunnel/entry.ts";
import { Reason } from "../../src/wire/reason.ts";
import type { IncomingDial } from "../../src/wire/session.ts";
import { writeTarget } from "../../src/wire/target.ts";
import type { NamedTarget } from "../../src/wire/target-text.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { openDoors, person } from "./people.ts";

const admin = person("ana");
const database = { kind: "service", namespace: "data", name: "db", port: 5432 } as const;
const web = { kind: "app", namespace: "shop", name: "web" } as const;

/** What becomes of a dial: where it went, or why it did not. */
async function outcome(target: NamedTarget, peer?: string, o: Partial<SessionDialDeps> = {}): Promise<unknown> {
  const done = Promise.withResolvers<unknown>();
  const dial = createSessionDial({
    guard: openDoors,
    find: ({ name }, chosen) => {
      if (name !== "web") throw new ConnectError("No such app.", Code.NotFound);
      return { peer: chosen ?? "there", uid: "u-1" };
    },
    hasPeer: (name) => name === "there",
    async dial(to: Destination) {
      done.resolve(to);
      return new PassThrough();
    },
    dialDatagrams: (to) => {
      done.resolve({ ...to, datagrams: true });
      return new Promise(() => undefined);
    },
    clock: systemClock,
    ...o,
  });
  const incoming: IncomingDial = {
    kind: "dial",
    id: 1,
    priority: 0,
    target: writeTarget(target),
    metadata: new Headers(peer === undefined ? {} : { "fairlead-peer": peer }),
    signal: new AbortController().signal,
    accept: () => new PassThrough(),
    acceptDatagrams: () => assert.fail("no datagrams were asked for"),
    refuse: (reason, message) => done.resolve([reason, message]),
  };
  dial(incoming, admin);
  return done.promise;
}

test("an app is dialled where it runs, by its uid; everything else at the peer that is said", async () => {
  assert.deepEqual(await outcome(web), { peer: "there", target: { ...web, uid: "u-1" }, person: "ana" });
  assert.deepEqual(await outcome(database, "there"), { peer: "there", target: database, person: "ana" });
});

test("what is reached by datagrams is dialled for them", async () => {
  const dns = { kind: "service", namespace: "data", name: "dns", port: 53, network: "udp" } as const;
  assert.deepEqual(await outcome(dns, "there"), { peer: "there", target: dns, person: "ana", datagrams: true });
});

test("what no peer answers is given up after half a minute, and says so", async () => {
  const clock = createFakeClock();
  const never = (_to: Destination, signal?: AbortSignal): Promise<never> =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const dns = { ...database, port: 53, network: "udp" } as const;
  for (const target of [database, dns]) {
    const answer = outcome(target, "there", { clock, dial: never, dialDatagrams: never });
    await clock.advance(30_000);
    assert.deepEqual(await answer, [Reason.DEADLINE, "there did not answer within 30 s."]);
  }
});

test("a Service at no peer, or at one that is not known, is refused here", async () => {
  const { NOT_FOUND } = Reason;
  assert.deepEqual(await outcome(database), [NOT_FOUND, "It is not said at which peer."]);
  assert.deepEqual(await outcome(database, "nowhere"), [NOT_FOUND, 'There is no peer "nowhere".']);
  assert.deepEqual(await outcome({ ...web, name: "other" }), [NOT_FOUND, "No such app."]);
});
