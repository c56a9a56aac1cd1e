import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import type { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { KubeError } from "../../src/kube/errors.ts";
import { TunnelError, type TunnelFailure } from "../../src/tunnel/tunnel-error.ts";
import type { PortName } from "../../src/wire/target-text.ts";
import { patience, until } from "../patience.ts";
import { policyOf } from "../policy/given.ts";
import { startTwoAgents, type TwoAgents } from "./two-agents.ts";

async function listen(t: TestContext): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined).write("hello");
    socket.on("end", () => socket.end(" and goodbye"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A cluster with the Service data/db, whose port 5432 is called postgres, and others that are not to be reached. */
function cluster(local: number) {
  const asked: string[] = [];
  const services: Record<string, readonly [string, number][]> = {
    "data/db": [
      ["postgres", 5432],
      ["admin", 9999],
    ],
    "kube-system/secrets": [["http", 80]],
    "fairlead-peer-other/web": [["http", 80]],
  };
  return {
    asked,
    async findService({ namespace, name }: { namespace: string; name: string }, port: PortName | undefined) {
      asked.push(`${namespace}/${name}:${port}`);
      if (name === "broken") throw new KubeError({ status: 403, reason: "Forbidden", message: "no right" });
      if (name === "silent")
        throw new KubeError({ status: 0, reason: "Unreachable", message: "https://10.0.0.1 fails" });
      const found = services[`${namespace}/${name}`]?.find((one) => port === undefined || one.includes(port));
      if (!found) throw new KubeError({ status: 404, reason: "NotFound", message: "no such" });
      return {
        port: found[1],
        dial: async (): Promise<Duplex> => {
          const socket = connect({ port: local, host: "127.0.0.1", allowHalfOpen: true });
          await once(socket, "connect");
          return socket;
        },
      };
    },
  };
}

const services = [
  { namespace: "data", name: "db", ports: [5432] },
  { namespace: "data", name: "broken" },
  { namespace: "data", name: "silent" },
];
const grants = ["apps", "tunnels"];

function dial(agents: TwoAgents, name: string, port?: PortName, namespace = "data"): Promise<Duplex> {
  const target = { kind: "service" as const, namespace, name, ...(port !== undefined && { port }) };
  return agents.origin.dial({ peer: "there", target, person: "ana" });
}

function failsWith(failure: TunnelFailure, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof TunnelError, String(error));
    assert.match(error.message, message);
    assert.equal(error.failure, failure);
    return true;
  };
}

function shown(agents: TwoAgents, end: "host" | "origin"): string[] {
  return agents.audited[end].map(({ action, target, verdict, rule }) =>
    [action, target, verdict, rule].join(" ").trim(),
  );
}

test("a Service that the policy names is reached by its port's number, by its name, or as the first, with half-close", async (t) => {
  const { findService } = cluster(await listen(t));
  await using agents = await startTwoAgents({ policy: policyOf({ tunnels: { services } }), findService });
  agents.caller = { ...agents.caller, grants };
  for (const port of [5432, "postgres", undefined]) {
    const stream = await dial(agents, "db", port);
    stream.end();
    assert.equal(Buffer.concat(await stream.toArray()).toString(), "hello and goodbye");
  }
  const same = ["tunnel.open service/data/db:5432 allowed"];
  assert.deepEqual([...new Set(shown(agents, "host"))], same, "a port's name is no other target");
  assert.deepEqual([...new Set(agents.audited.origin.map(({ actor }) => actor.person))], ["ana"]);
});

test("what no policy names is refused before anything is looked up, whoever's it is", async (t) => {
  const { findService, asked } = cluster(await listen(t));
  await using agents = await startTwoAgents({ policy: policyOf({ tunnels: { services } }), findService });
  agents.caller = { ...agents.caller, grants };
  const refused = failsWith("denied", /no policy here lets peer here reach the Service .*\(rule: tunnels\/services\)/);
  await assert.rejects(dial(agents, "secrets", 80, "kube-system"), refused);
  await assert.rejects(dial(agents, "web", "http", "fairlead-peer-other"), refused);
  await assert.rejects(dial(agents, "kubernetes", 443, "default"), refused);
  await assert.rejects(dial(agents, "db", 9999), refused);
  assert.deepEqual(asked, []);
  await assert.rejects(dial(agents, "db", "admin"), refused);
  assert.deepEqual(asked, ["data/db:admin"], "a port's name is looked up, and then judged by its number");
  agents.caller = { ...agents.caller, grants: ["apps", "kubectl"] };
  await assert.rejects(dial(agents, "db", 5432), failsWith("denied", /fairlead peer grant here tunnels/));
});

test("it is told apart why a Service is not reached, without the words of the API server", async (t) => {
  const { findService } = cluster(await listen(t));
  await using agents = await startTwoAgents({ policy: policyOf({ tunnels: { services } }), findService });
  agents.caller = { ...agents.caller, grants };
  await assert.rejects(
    dial(agents, "db", "nothing"),
    failsWith("not-found", /no such thing here as the Service data\/db/),
  );
  await assert.rejects(dial(agents, "broken", 80), failsWith("broken", /lacks the right to read Services/));
  await assert.rejects(dial(agents, "silent", 80), (error) => {
    assert.ok(error instanceof Error && !error.message.includes("10.0.0.1"));
    return true;
  });
  const without = await startTwoAgents({ policy: policyOf({ tunnels: { services } }) });
  without.caller = { ...without.caller, grants };
  await assert.rejects(dial(without, "db", 5432), failsWith("denied", /lets nobody reach "service"/));
  await without[Symbol.asyncDispose]();
});

test("first use waits for a person: for the port by its number, and not for what is not there", async (t) => {
  const { findService } = cluster(await listen(t));
  const policy = policyOf({ tunnels: { services, approval: "FirstUse" } });
  await using agents = await startTwoAgents({ policy, findService });
  agents.caller = { ...agents.caller, grants };
  await agents.roster.update("here", (peer) => ({ ...peer, grants }), patience());
  await assert.rejects(dial(agents, "db", "nothing"), failsWith("not-found", /no such thing/));
  assert.deepEqual(agents.host.inbox.pending(), []);
  await assert.rejects(
    dial(agents, "db", "postgres"),
    failsWith("denied", /inbox approve here\/service\/data\/db:5432/),
  );
  const [waiting] = agents.host.inbox.pending();
  assert.equal(waiting?.target, "service/data/db:5432");
  await agents.host.inbox.decide(
    "here",
    "service/data/db:5432",
    { fingerprint: agents.caller.fingerprint, verdict: "Approved" },
    patience(),
  );
  const stream = await dial(agents, "db", "postgres");
  await once(stream, "data");

  const denied = once(stream, "error", { signal: patience() });
  await agents.host.inbox.decide(
    "here",
    "service/data/db:5432",
    { fingerprint: agents.caller.fingerprint, verdict: "Denied" },
    patience(),
  );
  agents.host.exit.review(() => agents.caller);
  assert.match(String(await denied), /denied service\/data\/db:5432 to peer here.*\(rule: inbox\/denied\)/);
  await until("nothing is left", () => agents.host.exit.size === 0);
  assert.ok(shown(agents, "host").includes("tunnel.revoke service/data/db:5432 done inbox/denied"));
  await assert.rejects(dial(agents, "db", 5432), failsWith("denied", /inbox\/denied/));
});

test("a right that goes while a Service is looked up lets nobody in", async () => {
  const looking = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using agents = await startTwoAgents({
    async findService() {
      looking.resolve();
      await go.promise;
      return { port: 5432, dial: () => Promise.reject(new Error("nobody may come here")) };
    },
  });
  const refused = assert.rejects(dial(agents, "db", 5432), failsWith("denied", /No grant. \(rule: grants\/tunnels\)/));
  await looking.promise;
  agents.permission = { allowed: false, rule: "grants/tunnels", message: "No grant." };
  agents.host.exit.review(() => agents.caller);
  go.resolve();
  await refused;
  assert.equal(agents.host.exit.size, 0);
});

test("what speaks for itself is served on the stream of the dial, and ended with the right to it", async () => {
  const served: unknown[] = [];
  await using agents = await startTwoAgents({
    kubernetes: {
      async serve(caller, stream, signal) {
        served.push(caller.peer);
        stream.write("hello");
        await once(signal, "abort");
        served.push("aborted");
      },
    },
  });
  const stream = await agents.origin.dial({ peer: "there", target: { kind: "kubernetes" } });
  await once(stream, "data");
  assert.equal(agents.host.exit.size, 1);
  const ended = once(stream, "error", { signal: patience() });
  agents.permission = { allowed: false, rule: "tunnels/kubernetes", message: "No more." };
  agents.host.exit.review(() => agents.caller);
  assert.match(String(await ended), /No more\. \(rule: tunnels\/kubernetes\)/);
  await until("nothing is left", () => agents.host.exit.size === 0);
  assert.deepEqual(served, ["here", "aborted"]);
});
