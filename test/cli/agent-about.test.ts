/** Commands about the agent that is there, and about what needs somebody. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import type { Connection } from "../../src/cli/context.ts";
import { exitCode } from "../../src/cli/errors.ts";
import { createFairleadClient } from "../../src/client/index.ts";
import { readLog } from "../../src/console/api/agent-log.ts";
import { AgentService } from "../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createLogRing } from "../../src/telemetry/log-ring.ts";
import { until } from "../patience.ts";
import { pair, type Ran, run, start, startWorld, type World } from "./world.ts";

suite("an agent that is there", { timeout: 120_000 }, () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    await pair(world, "apps");
  });
  after(() => world[Symbol.asyncDispose]());

  const lisbon = (...args: string[]): Promise<Ran> => run(world.lisbon, args);
  async function done(...args: string[]): Promise<Ran> {
    const ran = await lisbon(...args);
    assert.equal(ran.code, 0, ran.err);
    return ran;
  }

  test("says who it is and how it is", async () => {
    assert.match(
      (await done("agent", "info")).out,
      /^NAME +VERSION +ON .*\nlisbon +\S+ +Kubernetes v1\.\S+ +\d+s +1\/1 /,
    );
    const { fingerprint } = JSON.parse((await done("agent", "info", "-o", "json")).out);
    assert.equal(fingerprint, world.lisbon.agent.fingerprint);
    assert.match((await done("agent", "health")).out, /^audit +well +\d+(ms|s)/m);
    assert.match((await done("agent", "health", "-o", "name")).out, /^component\/identity$/m);
    assert.match((await done("agent", "versions")).out, /^berlin +\S+ +None/m);
  });

  test("goes the way to a peer step by step, and to who made an invite that stays unused", async () => {
    assert.match((await done("agent", "test", "berlin")).out, /^ok +berlin +identity /m);
    const { line, invite } = await world.berlin.client.peers.createInvite({ name: "another" });
    assert.match((await run(world.lisbon, ["agent", "test", "-"], { input: `${line}\n` })).out, /^ok /m);
    const { invites } = await world.berlin.client.peers.listInvites({});
    assert.ok(invites.some(({ id }) => id === invite?.id));
    assert.equal((await lisbon("agent", "test")).code, exitCode.usage);
    assert.equal((await lisbon("agent", "test", "nobody")).code, exitCode.notFound);
  });

  test("is not started by a word that is mistyped", async () => {
    const { code, err } = await lisbon("agent", "inof");
    assert.equal(code, exitCode.usage);
    assert.match(err, /inof|too many arguments/);
  });

  test("tells what is new to somebody until they have seen it, and to others still", async () => {
    const isJoined = async (): Promise<string | undefined> =>
      /^(n\d+) +Info +PeerJoined +.*berlin.* Over$/m.exec((await done("notification", "list")).out)?.[1];
    const id = await until("the peer is told of", isJoined);
    assert.match((await done("status")).out, /^1 notification is new to you \(fairlead notification list\)$/m);
    assert.equal((await done("notification", "list", "-o", "name")).out, `notification/${id}\n`);
    const watch = start(world.lisbon, ["notification", "list", "-w", "-o", "json"]);
    await watch.until((out) => out.includes(`"id": "${id}"`));
    assert.equal((await done("notification", "ack", id)).out, "1 acknowledged\n");
    await watch.until((out) => /"acknowledged": \[\s+\{\s+"name": "admin-token"/.test(out));
    watch.interrupt();
    await watch.ended;
    assert.equal((await done("notification", "ack", id)).out, "0 acknowledged\n");
    assert.match((await done("notification", "list")).err, /Nothing is new to you/);
    assert.doesNotMatch((await done("status")).out, /new to you/);
    const token = (await done("token", "create", "other", "--role", "viewer")).out.trim();
    assert.match((await run(world.lisbon, ["notification", "list"], { token })).out, new RegExp(`^${id} `, "m"));
    assert.match((await done("notification", "get", id, "-o", "yaml")).out, /kind: PeerJoined/);
    assert.match(
      (await run(world.lisbon, ["notification", "get", id], { interactive: true })).out,
      /Seen by +admin-token/,
    );
    assert.equal((await run(world.lisbon, ["notification", "ack", "--all"], { token })).out, "1 acknowledged\n");
    assert.match((await done("notification", "list", "--all", "-o", "wide")).out, /admin-token,token\/other/);
  });

  test("names what it is asked to note and is not there", async () => {
    assert.equal((await lisbon("notification", "ack")).code, exitCode.usage);
    assert.equal((await lisbon("notification", "ack", "n1", "--all")).code, exitCode.usage);
    assert.equal((await lisbon("notification", "ack", "n999")).code, exitCode.notFound);
    assert.equal((await lisbon("notification", "get", "n999")).code, exitCode.notFound);
  });
});

test("the agent's log is shown by weight and text, as lines and as objects, and goes on with those to come", async () => {
  const ring = createLogRing();
  const log = createLog({ level: "info", write: () => undefined, keep: (line) => ring.add(line) });
  const transport = createRouterTransport(({ service }) =>
    service(AgentService, { readLog: (request, { signal }) => readLog(ring, request, signal) }),
  );
  const connect = async (): Promise<Connection> => ({
    client: createFairleadClient({ transport }),
    namespace: "default",
    address: "here",
    openSession: () => Promise.reject(new Error("nobody opens one")),
    close: () => undefined,
  });
  const fairlead = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await run(undefined, ["agent", "log", ...args], { connect });
    assert.equal(code, 0, err);
    return out;
  };
  log.info({ port: 8_000, of: "a b" }, "console listens");
  log.warn({}, "a\u001b[31m red\nline");
  assert.match(await fairlead(), /^\S+Z info {2}console listens .*port=8000 of="a b"\n\S+Z warn {2}a.*red line\n$/);
  assert.match(await fairlead("--level", "warn"), /^\S+Z warn [^\n]*\n$/);
  assert.match(await fairlead("--tail", "1"), /^\S+Z warn [^\n]*\n$/);
  const { level, message, fields } = JSON.parse(await fairlead("--contains", "LISTENS", "-o", "json"));
  assert.deepEqual([level, message, fields.port], ["info", "console listens", 8_000]);
  const following = start(undefined, ["agent", "log", "-f", "--contains", "listens"], { connect });
  await following.until((out) => out.includes("console listens"));
  log.info({}, "it listens still");
  await following.until((out) => out.includes("it listens still"));
  following.interrupt();
  assert.equal((await following.ended).code, exitCode.interrupted);
});
