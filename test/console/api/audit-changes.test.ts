/** What the API changes is written down, with the person, also when it fails; no method that changes something is forgotten. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, type ConnectRouter, createClient, createRouterTransport } from "@connectrpc/connect";
import { consoleServices } from "../../../docs/generate-access.ts";
import { createAuditLog } from "../../../src/audit/audit-log.ts";
import type { AuditRecord } from "../../../src/audit/entry.ts";
import { silentLog } from "../../../src/base/log.ts";
import { auditChanges, changeRules } from "../../../src/console/api/audit.ts";
import { createAuditService } from "../../../src/console/api/audit-service.ts";
import { createCallRecord } from "../../../src/console/api/call-record.ts";
import { AppService } from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { AuditService } from "../../../src/gen/fairlead/console/v1/audit_service_pb.ts";
import { InboxService } from "../../../src/gen/fairlead/console/v1/inbox_service_pb.ts";
import { PeerService } from "../../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { calledBy, person } from "../people.ts";
import { testListing } from "./test-listing.ts";

/** These change nothing. */
const reads = /^(Get|List|Explain|Verify|Check|Watch|TryPolicy$|WhoAmI$|Logs$|ReadLog$|TestConnection$|Diagnose$)/;
/** A room below records what becomes of these. */
const recordedBelow = /^(Join|Exec|ReadFiles|WriteFiles|SignIn|SignOut|ChangePassword)$/;

test("each method of the API that changes something is recorded", async () => {
  const recorded = new Set(changeRules.map(({ method }) => method.name));
  const forgotten = (await consoleServices())
    .flatMap(({ methods }) => methods)
    .filter(({ name }) => !reads.test(name) && !recordedBelow.test(name) && !recorded.has(name))
    .map(({ name }) => name);
  assert.deepEqual(forgotten, [], "tell in console/api/audit.ts how they are recorded");
});

const ada = calledBy(person("ada"));

/** What is recorded while `call` runs against these services. */
async function recorded(
  routes: (router: ConnectRouter) => void,
  call: (clients: {
    apps: ReturnType<typeof createClient<typeof AppService>>;
    peers: ReturnType<typeof createClient<typeof PeerService>>;
    inbox: ReturnType<typeof createClient<typeof InboxService>>;
  }) => Promise<unknown>,
): Promise<AuditRecord[]> {
  const clock = createFakeClock();
  const audit = createAuditLog({ clock, log: silentLog });
  const transport = createRouterTransport(routes, {
    router: { interceptors: [ada, auditChanges(createCallRecord({ audit, clock }))] },
  });
  await call({
    apps: createClient(AppService, transport),
    peers: createClient(PeerService, transport),
    inbox: createClient(InboxService, transport),
  });
  return audit.list();
}

function shown({ action, verdict, actor, target, message, correlation }: AuditRecord): Record<string, unknown> {
  const { person, peer } = actor;
  return JSON.parse(JSON.stringify({ action, verdict, person, peer, target, message, correlation }));
}

const ref = { namespace: "shop", name: "web" };
const app = { metadata: { ...ref, uid: "u-1", generation: 4n }, spec: { peer: "berlin" } };

test("a wish is recorded with the person and under the name that the host gives it too", async () => {
  const [deploy, scale] = await recorded(
    (router) => router.service(AppService, { deployApp: () => ({ app }), scaleApp: () => ({ app }) }),
    async ({ apps }) => {
      await apps.deployApp({ ref, spec: { peer: "berlin", image: "nginx" }, dryRun: true });
      await apps.deployApp({ ref, spec: { peer: "berlin", image: "nginx" } });
      await apps.scaleApp({ ref, replicas: 3 });
    },
  );
  const common = { verdict: "done", person: "ada", peer: "berlin", target: "shop/web", correlation: "wish:u-1/4" };
  assert.deepEqual(shown(deploy ?? assert.fail()), { action: "app.deploy", ...common });
  assert.deepEqual(shown(scale ?? assert.fail()), { action: "app.scale", message: "To 3.", ...common });
});

test("what failed is recorded with the reason", async () => {
  const refuse = (): never => {
    throw new ConnectError("there is no such app", Code.NotFound);
  };
  const [entry] = await recorded(
    (router) => router.service(AppService, { deleteApp: refuse }),
    ({ apps }) => assert.rejects(apps.deleteApp({ ref })),
  );
  assert.deepEqual(shown(entry ?? assert.fail()), {
    action: "app.delete",
    verdict: "failed",
    person: "ada",
    target: "shop/web",
    message: "[not_found] there is no such app",
  });
});

test("grants and labels are told as they were given, with their time", async () => {
  const [some, none] = await recorded(
    (router) => router.service(PeerService, { updatePeer: () => ({}) }),
    async ({ peers }) => {
      const grants = { values: ["apps", "tunnels"], lastsSeconds: { apps: 28_800n } };
      await peers.updatePeer({ name: "berlin", grants, labels: { tier: "gold", zone: "" } });
      await peers.updatePeer({ name: "berlin", grants: {} });
    },
  );
  assert.equal(some?.message, "Grants: apps (for 28800 s), tunnels. Labels: tier=gold, zone removed.");
  assert.equal(none?.message, "Grants: none.");
  assert.equal(some?.actor.peer, "berlin");
});

test("what a room below records when it succeeds is told here only when it fails", async () => {
  let fails = false;
  const answer = (): object => {
    if (fails) throw new ConnectError("it was changed since", Code.FailedPrecondition);
    return {};
  };
  const entries = await recorded(
    (router) => router.service(InboxService, { approveInboxItem: answer, denyInboxItem: answer }),
    async ({ inbox }) => {
      await inbox.approveInboxItem({ name: "berlin/web", hash: "1" });
      fails = true;
      await assert.rejects(inbox.denyInboxItem({ name: "berlin/web", hash: "1" }));
    },
  );
  assert.deepEqual(
    entries.map(({ action, verdict, actor }) => [action, verdict, actor.peer]),
    [["inbox.deny", "failed", "berlin"]],
  );
});

test("Secrets never reach the audit: neither an invite nor its line", async () => {
  const line = "fairlead-invite:v1:CiB3c3M6Ly9lYXN0";
  const refuse = (): never => {
    throw new ConnectError(`"${line}" is of no use, and neither is flt_secretsecret`, Code.InvalidArgument);
  };
  const entries = await recorded(
    (router) => router.service(PeerService, { createInvite: refuse, join: refuse }),
    async ({ peers }) => {
      await assert.rejects(peers.createInvite({ name: "berlin" }));
      await assert.rejects(async () => {
        for await (const _ of peers.join({ invite: line })) assert.fail();
      });
    },
  );
  assert.equal(entries.length, 1, "a join is recorded by peering");
  assert.doesNotMatch(JSON.stringify(entries), /CiB3|secretsecret/);
});

test("the service shows what matches, the latest last, and says what is wrong with a time", async () => {
  const clock = createFakeClock(Date.UTC(2026, 10, 21, 12));
  const audit = createAuditLog({ clock, log: silentLog, instance: "a".repeat(32) });
  for (let i = 0; i < 1_200; i += 1)
    audit.record({ action: "app.admit", actor: { peer: "berlin" }, verdict: "allowed" });
  await clock.advance(60_000);
  audit.record({ action: "tunnel.open", actor: { peer: "calais", person: "ada" }, verdict: "denied", target: "web" });
  const report = {
    intact: false,
    entries: 2,
    first: 1,
    last: 2,
    head: "ff",
    problems: [{ kind: "altered" as const, where: "line 2", message: "line 2: entry 2 is not as it was written." }],
    notes: ["One entry was not in storage."],
  };
  const service = createAuditService({ list: audit.list, verify: async () => report }, testListing);
  const transport = createRouterTransport((router) => router.service(AuditService, service), {
    router: { interceptors: [ada] },
  });
  const client = createClient(AuditService, transport);
  assert.equal((await client.listAudit({})).entries.length, 1_000);
  assert.equal((await client.listAudit({ limit: 10_000, pageSize: 10_000 })).entries.length, 1_201);
  assert.equal((await client.listAudit({ action: "app" })).entries.length, 1_000);
  const { entries } = await client.listAudit({ since: "2026-11-21T12:00:30Z", verdict: "denied" });
  const [{ $typeName: _, ...entry } = assert.fail()] = entries;
  const last = audit.list().at(-1);
  assert.deepEqual(entry, {
    sequence: 1_201n,
    at: "2026-11-21T12:01:00.000Z",
    action: "tunnel.open",
    verdict: "denied",
    peer: "calais",
    fingerprint: "",
    person: "ada",
    target: "web",
    rule: "",
    message: "",
    correlation: "",
    previous: last?.previous,
    hash: last?.hash,
    instance: "a".repeat(32),
  });
  await assert.rejects(client.listAudit({ since: "yesterday" }), /"yesterday" is no time as in/);
  const verified = await client.verifyAudit({});
  assert.deepEqual(
    [verified.intact, verified.entries, verified.firstSequence, verified.lastSequence, verified.head],
    [false, 2n, 1n, 2n, "ff"],
  );
  assert.deepEqual([verified.problems, verified.notes], [["line 2: entry 2 is not as it was written."], report.notes]);
});

test("storage that cannot be read is no answer about it", async () => {
  const verify = (): never => {
    throw new Error("the API server is away");
  };
  const service = createAuditService({ list: () => [], verify }, testListing);
  const client = createClient(
    AuditService,
    createRouterTransport((router) => router.service(AuditService, service), { router: { interceptors: [ada] } }),
  );
  await assert.rejects(client.verifyAudit({}), (error: unknown) => {
    return (
      ConnectError.from(error).code === Code.Unavailable &&
      /nothing is proven: the API server is away/.test(String(error))
    );
  });
});
