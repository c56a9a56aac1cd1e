/** When a host may go on with what has a lease. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { silentLog } from "../../src/base/log.ts";
import { LeaseService } from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { createLeases, type LeaseDeps } from "../../src/workloads/host/leases.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { workload } from "./objects.ts";

test("nothing begins before the origin has said so, and it lasts from when it was asked, however long the answer took", async () => {
  const clock = createFakeClock();
  const app = workload();
  if (app.spec.origin) app.spec.origin.leaseSeconds = 60;
  let may: string[] = [];
  const transport = createRouterTransport(({ service }) =>
    service(LeaseService, {
      async renew() {
        await clock.sleep(5_000);
        return { uids: may };
      },
    }),
  );
  const book: LeaseDeps["book"] = {
    of: () => new Map([["u-1", app]]),
    latest: {
      get: () => app,
      list: () => [app],
      put: () => undefined,
      subscribe(listener) {
        listener("fairlead-peer-tokyo/web-0123456789", app, undefined);
        return () => undefined;
      },
      synced: async () => undefined,
      isSynced: true,
      close: async () => undefined,
    },
  };
  const links: LeaseDeps["links"] = {
    status: () => ({ state: "connected", since: 0, held: true, epoch: 1 }),
    subscribe: () => () => undefined,
  };
  const onChange = (): void => undefined;
  const leases = createLeases({
    ...{ book, links, onChange, clock, log: silentLog },
    nameOf: () => "tokyo",
    transport: () => transport,
  });
  assert.deepEqual(leases.of(app), { leftMs: 0 });
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      await clock.advance(1_000);
      for (let turn = 0; turn < 4; turn += 1) await clock.advance(0);
    }
  };
  await pass(10);
  assert.equal(leases.of(app)?.leftMs, 0, "the answer does not name it");
  may = ["u-1"];
  await pass(22);
  const left = leases.of(app)?.leftMs ?? 0;
  assert.ok(left > 0 && left <= 55_000, `${left} ms are left: the answer took 5 s of it`);
  await leases.close();
});
