import assert from "node:assert/strict";
import { once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { silentLog } from "../../src/base/log.ts";
import { CarrierTargetSchema, TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import { createCarrierDoor } from "../../src/peering/carrier-door.ts";
import type { Peer } from "../../src/peering/peer.ts";
import type { Caller } from "../../src/rpc/caller.ts";
import { Reason, StreamError } from "../../src/wire/reason.ts";
import { Priority } from "../../src/wire/scheduler.ts";

const hub: Caller = { fingerprint: "ee".repeat(32), guest: false, peer: "hub", grants: ["relay"], caPem: "" };
const other: Caller = { ...hub, fingerprint: "dd".repeat(32), peer: "other" };
const peerOf = ({ fingerprint, peer = "", grants }: Caller): Peer => ({
  name: peer,
  fingerprint,
  caPem: "",
  labels: {},
  grants,
});

function openDoor() {
  const taken: { carrier: Duplex; through: string }[] = [];
  const audited: PeeringAuditEntry[] = [];
  const through = new Map<string, string>();
  const door = createCarrierDoor({
    take: (carrier, relay) => taken.push({ carrier, through: relay }),
    through: (peer) => through.get(peer),
    record: { note: (_by, entry) => audited.push(entry) },
    log: silentLog,
  });
  /** Brings a carrier; answers with the refusal, if there was one. */
  function bring(caller: Caller): { reason: Reason; message: string } | undefined {
    let refused: { reason: Reason; message: string } | undefined;
    door.open(
      {
        kind: "dial",
        id: 1,
        target: create(TargetSchema, { kind: { case: "carrier", value: create(CarrierTargetSchema) } }),
        metadata: new Headers(),
        priority: Priority.NORMAL,
        signal: new AbortController().signal,
        accept() {
          const [carrier] = duplexPair();
          carrier.on("error", () => undefined);
          return carrier;
        },
        acceptDatagrams: () => assert.fail("a carrier is no datagrams"),
        refuse(reason, message) {
          refused = { reason, message };
        },
      },
      caller,
    );
    return refused;
  }
  return { door, taken, audited, through, bring };
}

test("a carrier is taken from a peer that may bring some, and from no other", () => {
  const { bring, taken, audited, through } = openDoor();
  assert.equal(bring(hub), undefined);
  assert.deepEqual(
    taken.map((one) => one.through),
    [hub.fingerprint],
  );
  const refused = bring({ ...hub, grants: ["apps", "tunnels"] });
  assert.equal(refused?.reason, Reason.DENIED);
  assert.match(refused?.message ?? "", /fairlead peer grant hub relay --add \(rule: grants\/relay\)/);
  through.set("hub", "far");
  assert.match(bring(hub)?.message ?? "", /no relay stands behind another \(rule: relay\/chain\)/);
  assert.equal(taken.length, 1);
  assert.deepEqual(
    audited.map(({ action, verdict, rule }) => [action, verdict, rule]),
    [
      ["relay.bring", "allowed", undefined],
      ["relay.bring", "denied", "grants/relay"],
      ["relay.bring", "denied", "relay/chain"],
    ],
  );
});

test("one relay brings so many at a time, and another relay has room of its own", async () => {
  const { bring, taken } = openDoor();
  let count = 0;
  while (bring(hub) === undefined) count += 1;
  assert.equal(count, 1_024);
  assert.equal(bring(other), undefined);
  const [first] = taken;
  assert.ok(first);
  first.carrier.destroy();
  await once(first.carrier, "close");
  assert.equal(bring(hub), undefined, "the place of one that is over is free");
});

test("a grant that is withdrawn, or a peer that is removed, ends what it has brought, with the rule, and no other", () => {
  for (const [after, rule] of [
    [{ ...peerOf(hub), grants: ["apps"] }, "grants/relay"],
    [undefined, "pairing"],
  ] as const) {
    const { door, bring, taken } = openDoor();
    for (const caller of [hub, hub, other]) bring(caller);
    door.review(hub.fingerprint, peerOf(hub));
    assert.ok(
      taken.every(({ carrier }) => !carrier.destroyed),
      "what may go on does",
    );
    door.review(hub.fingerprint, after);
    assert.deepEqual(
      taken.map(({ carrier }) => carrier.destroyed),
      [true, true, false],
    );
    const error = taken[0]?.carrier.errored;
    assert.ok(error instanceof StreamError && error.reason === Reason.REVOKED);
    assert.match(error.message, new RegExp(`\\(rule: ${rule}\\)`));
  }
});
