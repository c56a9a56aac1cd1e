/** What stands in front of the API and the doors, where what somebody may do changes, or was never said. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createConnectRouter } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { withToken } from "../../../src/client/token.ts";
import { accessOf } from "../../../src/console/access/access-of.ts";
import { createCallsAtOnce } from "../../../src/console/access/calls-at-once.ts";
import { sees, viewOf } from "../../../src/console/access/decide.ts";
import { guardRouter } from "../../../src/console/auth/guarded-router.ts";
import { Door, Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { AppSchema, AppService } from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { LinkService } from "../../../src/gen/fairlead/console/v1/link_service_pb.ts";
import { PodService } from "../../../src/gen/fairlead/console/v1/pod_service_pb.ts";
import { IntentService } from "../../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { startConsole } from "../console-world.ts";
import { accessBy, createOffice, person } from "../people.ts";

const viewer = person("vera", [{ role: Role.VIEWER, peers: ["west"] }]);

suite("what goes on", () => {
  for (const [what, change] of [
    ["the credential ends", (office: ReturnType<typeof createOffice>) => void office.people.clear()],
    [
      "the role is taken away",
      (office: ReturnType<typeof createOffice>) =>
        void office.people.set("hers", { ...viewer, roles: [{ role: Role.VIEWER, peers: ["east"] }] }),
    ],
  ] as const) {
    test(`ends within a second when ${what}, and the handler hears of it`, async () => {
      const office = createOffice({ hers: viewer });
      const clock = createFakeClock();
      const heard = Promise.withResolvers<void>();
      await using world = await startConsole({
        clock,
        ways: [office],
        routes: (router) =>
          void router.service(LinkService, {
            async *watchLink(_request, { signal }) {
              yield {};
              await once(signal, "abort");
              heard.resolve();
              throw signal.reason;
            },
          }),
      });
      const transport = createConnectTransport({ baseUrl: `http://127.0.0.1:${world.port}`, httpVersion: "1.1" });
      const links = createClient(LinkService, withToken(transport, "hers"));
      const watch = links.watchLink({ peer: "west" })[Symbol.asyncIterator]();
      assert.equal((await watch.next()).done, false);
      await clock.advance(10_000);
      change(office);
      const ended = assert.rejects(
        () => watch.next(),
        (error) => error instanceof ConnectError && error.code === Code.PermissionDenied,
      );
      await clock.advance(1_000);
      await ended;
      await heard.promise;
    });
  }

  test("ends for the caller also when the handler does not hear of it", async () => {
    const office = createOffice({ hers: viewer });
    const clock = createFakeClock();
    await using world = await startConsole({
      clock,
      ways: [office],
      routes: (router) =>
        void router.service(LinkService, {
          async *watchLink() {
            yield {};
            await new Promise(() => undefined);
          },
        }),
    });
    const transport = createConnectTransport({ baseUrl: `http://127.0.0.1:${world.port}`, httpVersion: "1.1" });
    const watch = createClient(LinkService, withToken(transport, "hers"))
      .watchLink({ peer: "west" })
      [Symbol.asyncIterator]();
    assert.equal((await watch.next()).done, false);
    office.people.clear();
    const ended = assert.rejects(
      () => watch.next(),
      (error) => error instanceof ConnectError && error.code === Code.PermissionDenied,
    );
    await clock.advance(1_000);
    await ended;
  });

  test("ends when what it is about comes to be about more", async () => {
    const office = createOffice({ hers: viewer });
    const clock = createFakeClock();
    let peers = ["west"];
    await using world = await startConsole({
      clock,
      ways: [office],
      known: { peersOfApp: () => peers },
      routes: (router) =>
        void router.service(PodService, {
          async *logs(_request, { signal }) {
            yield { line: "of west" };
            await once(signal, "abort");
          },
        }),
    });
    const transport = createConnectTransport({ baseUrl: `http://127.0.0.1:${world.port}`, httpVersion: "1.1" });
    const pods = createClient(PodService, withToken(transport, "hers"));
    const logs = pods.logs({ app: { namespace: "shop", name: "web" }, follow: true })[Symbol.asyncIterator]();
    await logs.next();
    peers = ["west", "east"];
    const ended = assert.rejects(() => logs.next(), /no longer allowed/);
    await clock.advance(1_000);
    await ended;
  });

  test("at a door ends as well, and only where it is no longer allowed", async () => {
    const office = createOffice({ hers: person("vera", [{ role: Role.OPERATOR, peers: ["west", "east"] }]) });
    const clock = createFakeClock();
    const { doors, authenticator } = accessBy([office], clock);
    const vera = await authenticator.authenticate(presented("hers"), new AbortController().signal);
    assert.ok(vera);
    const broken: string[] = [];
    for (const peer of ["west", "east"]) doors.hold(vera, Door.TARGET, peer, () => broken.push(peer));
    const letGo = doors.hold(vera, Door.TARGET, "west", () => broken.push("let go"));
    letGo();
    office.people.set("hers", person("vera", [{ role: Role.OPERATOR, peers: ["east"] }]));
    await clock.advance(1_000);
    assert.deepEqual(broken, ["west"]);
    assert.match(
      doors.refuses(vera, Door.KUBERNETES, { named: "north" }) ?? "",
      /role operator for north\. vera is operator for west, east\./,
    );
  });
});

test("a method that does not say what it needs keeps the agent from starting", () => {
  assert.throws(
    () => accessOf(IntentService.methods[0] ?? assert.fail()),
    /IntentService\/\w+ does not say in its proto/,
  );
  const router = guardRouter(createConnectRouter(), { interceptors: [] });
  assert.throws(() => router.service(IntentService, {}), /does not say in its proto/);
  router.service(AppService, { getApp: () => ({ app: create(AppSchema) }) });
});

test("nobody sees more than their roles are for, and who has to change a password nothing", () => {
  const view = viewOf(viewer);
  assert.deepEqual(["west", "east", ""].map(view), [true, false, false]);
  assert.deepEqual(
    [sees(view, ["west"]), sees(view, ["west", "east"]), sees(view, "all"), sees(view, [])],
    [true, false, false, false],
  );
  assert.deepEqual(["west", ""].map(viewOf(viewer, Role.OPERATOR)), [false, false]);
  assert.deepEqual(["west", ""].map(viewOf(person("ada"))), [true, true]);
  assert.equal(viewOf({ ...person("ada"), mustChangePassword: true })("west"), false);
  assert.equal(viewOf(undefined)("west"), false);
});

function presented(token: string) {
  return { authorization: `Bearer ${token}`, method: "GET", url: "http://here/", upgrade: false };
}

test("nobody has more than so many calls at a time, and what has ended counts no more", () => {
  const calls = createCallsAtOnce({ ofOne: 2, all: 3 });
  const first = calls.begin("vera");
  calls.begin("vera");
  assert.throws(() => calls.begin("vera"), /2 calls of yours run already/);
  calls.begin("carl");
  first();
  first();
  calls.begin("vera");
  assert.throws(
    () => calls.begin("zoe"),
    (error) =>
      error instanceof ConnectError && error.code === Code.ResourceExhausted && /3 calls run/.test(error.message),
  );
});
