/** AuditService, over an audit in memory. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { createAuditLog } from "../../../src/audit/audit-log.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { createAuditService } from "../../../src/console/api/audit-service.ts";
import { AuditService } from "../../../src/gen/fairlead/console/v1/audit_service_pb.ts";
import { calledBy, person } from "../people.ts";
import { testListing } from "./test-listing.ts";

suite("the list of the audit", () => {
  const log = createAuditLog({ clock: systemClock, log: silentLog });
  for (let i = 1; i <= 2_000; i += 1) {
    const isRare = i <= 3;
    log.record({
      action: isRare ? "peer.remove" : "app.open",
      actor: { person: "ann" },
      verdict: "done",
      target: `${i}`,
    });
  }
  const verify = () => Promise.reject(new Error("not asked here"));
  const transport = createRouterTransport(
    (router) => void router.service(AuditService, createAuditService({ list: log.list, verify }, testListing)),
    { router: { interceptors: [calledBy(person("grace"))] } },
  );
  const client = createClient(AuditService, transport);
  const read = async (request: Parameters<typeof client.listAudit>[0]): Promise<string[]> =>
    (await client.listAudit(request)).entries.map(({ target }) => target);

  test("has the latest of what a selector asks for, however much of other things came after", async () => {
    assert.deepEqual(await read({ fieldSelector: "action=peer.remove" }), ["1", "2", "3"]);
    assert.deepEqual(await read({ fieldSelector: "action=peer.remove", limit: 2 }), ["2", "3"]);
    assert.deepEqual(await read({ fieldSelector: "action=peer.remove", limit: 2, orderBy: "sequence desc" }), [
      "3",
      "2",
    ]);
  });

  test("has the latest thousand unless said, in pages that go on", async () => {
    const first = await client.listAudit({ pageSize: 600 });
    const second = await client.listAudit({ pageSize: 600, pageToken: first.nextPageToken });
    const targets = [...first.entries, ...second.entries].map(({ target }) => Number(target));
    assert.deepEqual(
      targets,
      Array.from({ length: 1_000 }, (_, at) => 1_001 + at),
    );
    assert.deepEqual([first.totalSize, second.nextPageToken], [1_000, ""]);
  });
});
