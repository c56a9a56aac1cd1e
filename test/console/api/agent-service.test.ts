/** What an agent tells of itself, by its own API on an embedded cluster. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { abortable } from "../../../src/base/abort.ts";
import { type AgentServiceDeps, createAgentService } from "../../../src/console/api/agent-service.ts";
import { comparePeer } from "../../../src/console/api/peer-version.ts";
import {
  AgentService,
  PeerVersion_Skew as Skew,
  type TestConnectionResponse,
} from "../../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { Finding_Level as Level } from "../../../src/gen/fairlead/console/v1/doctor_service_pb.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { patience, until } from "../../patience.ts";
import { testListing } from "./test-listing.ts";
import { type ApiWorld, startApi } from "./world.ts";

suite("the agent about itself", () => {
  let world: ApiWorld;
  before(async () => {
    world = await startApi();
  });
  after(() => world[Symbol.asyncDispose]());

  const stepsOf = (asked: { peer?: string; invite?: string }): AsyncIterable<TestConnectionResponse> =>
    world.town.client.agent.testConnection(asked, { signal: patience() });

  async function walk(asked: { peer?: string; invite?: string }): Promise<TestConnectionResponse[]> {
    const steps: TestConnectionResponse[] = [];
    for await (const step of stepsOf(asked)) steps.push(step);
    return steps;
  }

  test("its health names each part, and how old the oldest work is", async () => {
    const { ok, components } = await world.town.client.agent.getHealth({});
    assert.ok(ok);
    assert.deepEqual(
      components.map(({ name }) => name),
      ["workloads", "remote-apps", "forwards", "audit", "api-server", "peer-port", "identity"],
    );
    for (const { name, oldestWorkMs, limitMs } of components) {
      const hasWork = ["workloads", "remote-apps", "forwards", "audit"].includes(name);
      assert.equal(limitMs, hasWork ? 120_000n : undefined, name);
      assert.equal(oldestWorkMs !== undefined, hasWork, name);
    }
  });

  test("its features are listed as any list is", async () => {
    const { features } = await world.town.client.agent.listFeatures({ fieldSelector: "enabled=true" });
    assert.deepEqual(
      features.map(({ name }) => name),
      ["apps", "dialled", "forwards", "kubernetes", "targets"],
    );
  });

  test("the way to who made an invite is gone step by step, and its token is shown to nobody", async () => {
    const { line } = await world.town.client.peers.createInvite({ name: "guest" });
    const steps = await walk({ invite: line });
    assert.deepEqual(
      steps.map(({ finding }) => [finding?.check, finding?.level]),
      ["proxy", "reach", "upgrade", "identity"].map((check) => [check, Level.OK]),
    );
    assert.ok(steps.every(({ url, tookMs }) => url.startsWith("ws://127.0.0.1:") && tookMs >= 0));
    const { invites } = await world.town.client.peers.listInvites({});
    assert.equal(invites.find(({ name }) => name === "guest")?.pending, undefined);
  });

  test("a test of what is no peer, no invite, or both, says so", async () => {
    await assert.rejects(walk({ peer: "nobody" }), (error) => ConnectError.from(error).code === Code.NotFound);
    for (const asked of [{ invite: "http://169.254.169.254/" }, {}, { peer: "a", invite: "b" }]) {
      await assert.rejects(walk(asked), (error) => ConnectError.from(error).code === Code.InvalidArgument);
    }
  });
});

test("versions are compared as the doctor compares them", () => {
  const skewOf = (theirs: string | undefined): Skew => comparePeer("west", "1.2.0", theirs).skew;
  assert.deepEqual(["1.2.0", "1.3.1", "2.0.0", "", undefined].map(skewOf), [
    Skew.NONE,
    Skew.NEAR,
    Skew.FAR,
    Skew.UNKNOWN,
    Skew.UNKNOWN,
  ]);
  assert.match(comparePeer("west", "1.2.0", "2.0.0").remedy, /Upgrade this one/);
});

test("two tests of connections go on at a time, and each is ended after half a minute", async () => {
  const clock = createFakeClock(0);
  const never = async function* (_to: unknown, signal: AbortSignal): AsyncGenerator<never> {
    await abortable(new Promise(() => undefined), signal);
  };
  const unasked = (): never => assert.fail("nobody asks for this");
  const deps: AgentServiceDeps = {
    about: {
      name: "",
      fingerprint: "",
      version: "",
      instance: "",
      startedAt: "",
      namespace: "",
      kubernetesVersion: "",
    },
    ...{ url: unasked, counts: unasked, settings: unasked, health: unasked, features: unasked, versions: unasked },
    testConnection: never,
    ownLog: { after: unasked, beyond: unasked },
    clock,
  };
  const transport = createRouterTransport(
    (router) => void router.service(AgentService, createAgentService(deps, testListing)),
  );
  const client = createClient(AgentService, transport);
  const codeOf = async (): Promise<Code> => {
    try {
      for await (const _ of client.testConnection({ peer: "west" })) assert.fail("nothing was seen");
    } catch (error) {
      const { code, details } = ConnectError.from(error);
      assert.equal(details.length, code === Code.ResourceExhausted ? 1 : 0);
      return code;
    }
    return assert.fail("it ended well");
  };
  const going = [codeOf(), codeOf()];
  await until("both go on", () => clock.timers === 2);
  assert.equal(await codeOf(), Code.ResourceExhausted);
  await clock.advance(30_000);
  assert.deepEqual(await Promise.all(going), [Code.DeadlineExceeded, Code.DeadlineExceeded]);
  const again = codeOf();
  await until("the next one goes on", () => clock.timers === 1);
  await clock.advance(30_000);
  assert.equal(await again, Code.DeadlineExceeded);
});
