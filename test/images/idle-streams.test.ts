import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { silentLog } from "../../src/base/log.ts";
import { TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { createImageServer } from "../../src/images/origin/image-server.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";

test("a stream for images on which nothing is asked ends, and leaves room for another", async () => {
  const clock = createFakeClock();
  const nobody = (): never => assert.fail("Nobody has asked for anything.");
  const server = createImageServer({
    permit: nobody,
    findAccess: nobody,
    upstream: { ask: nobody },
    record: { note: nobody },
    clock,
    log: silentLog,
  });
  const [, there] = duplexPair();
  server.open(
    { fingerprint: "f", peer: "host", guest: false },
    { target: create(TargetSchema), accept: () => there, refuse: nobody },
  );
  await clock.advance(30_999);
  assert.equal(server.size, 1);
  await clock.advance(1);
  await until("it is gone", () => server.size === 0 && there.destroyed);
  await server.close();
});
