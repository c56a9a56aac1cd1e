import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { createAppWay } from "../../src/tunnel/app-way.ts";
import { Connections } from "../../src/tunnel/connections.ts";
import { createExit, type IncomingDial } from "../../src/tunnel/exit.ts";
import { PendingDials } from "../../src/tunnel/pending.ts";
import { Reason } from "../../src/wire/reason.ts";

test("one peer gets so many connections and no more, and others get theirs", async () => {
  const app = { service: { namespace: "n", name: "web" }, ports: [{ number: 80 }], ready: true, message: "" };
  const exit = createExit({
    ways: { app: createAppWay({ findApp: () => app, dialService: async () => duplexPair()[0], clock: systemClock }) },
    hasApp: () => true,
    permit: () => ({ allowed: true }),
    pending: new PendingDials(),
    record: { note: () => undefined },
    connections: new Connections(systemClock),
    clock: systemClock,
    log: silentLog,
    limitsOf: () => ({ connections: 3 }),
  });
  const refused: Reason[] = [];
  const open = (fingerprint: string): void => {
    const dial: IncomingDial = {
      target: create(TargetSchema, { kind: { case: "workload", value: { namespace: "shop", name: "web" } } }),
      accept: () => duplexPair()[0],
      acceptDatagrams: () => assert.fail("nothing was dialled with UDP"),
      refuse: (reason) => void refused.push(reason),
    };
    exit.open({ fingerprint, guest: false, peer: "p", grants: ["apps"] }, dial);
  };
  for (let count = 0; count < 4; count += 1) open("a");
  assert.deepEqual(refused, [Reason.OVERLOADED]);
  open("b");
  assert.deepEqual(refused, [Reason.OVERLOADED]);
  assert.equal(exit.size, 4);
  await exit.close();
  assert.equal(exit.size, 0);
});
