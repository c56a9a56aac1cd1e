import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, suite, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { createFairleadClient } from "../../src/client/index.ts";
import { type AgentSession, openAgentSession } from "../../src/client/session.ts";
import { AgentService } from "../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { PodService } from "../../src/gen/fairlead/console/v1/pod_service_pb.ts";
import { Reason } from "../../src/wire/reason.ts";
import { until } from "../patience.ts";
import { type ConsoleWorld, startConsole, token } from "./console-world.ts";

const never = new AbortController().signal;

suite("a session with a console", () => {
  let world: ConsoleWorld;
  const asked: string[] = [];
  before(async () => {
    world = await startConsole({
      routes(router) {
        router.service(AgentService, { getInfo: () => ({ name: "lisbon" }) });
        router.service(PodService, {
          async *exec(requests) {
            for await (const { event } of requests) {
              if (event.case === "input") yield { event: { case: "output", value: event.value } };
            }
            yield { event: { case: "exit", value: { code: 7 } } };
          },
        });
      },
      dial(incoming, principal) {
        const { kind } = incoming.target;
        asked.push(`${principal.name} ${kind.case} ${incoming.metadata.get("fairlead-peer") ?? ""}`.trim());
        if (kind.case !== "workload" || kind.value.name !== "echo") {
          incoming.refuse(Reason.DENIED, "No policy lets you. (rule: tunnels/apps)");
          return;
        }
        const stream = incoming.accept();
        stream.pipe(stream);
        stream.on("error", () => undefined);
      },
    });
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
  });

  const open = (given = token): Promise<AgentSession> =>
    openAgentSession({ url: `http://127.0.0.1:${world.port}`, token: given, version: "0.0.1" }, never);

  test("answers every call of the API, and those that stream both ways", async () => {
    const session = await open();
    const client = createFairleadClient({ transport: session.transport });
    assert.equal((await client.agent.getInfo({})).name, "lisbon");
    // What comes next is sent when the answer to what came before is there: both ways at once, then.
    let heard = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      heard = resolve;
    });
    async function* talk() {
      yield { event: { case: "input" as const, value: Buffer.from("one") } };
      await answered;
      yield { event: { case: "input" as const, value: Buffer.from("two") } };
    }
    const seen: string[] = [];
    for await (const { event } of client.pods.exec(talk())) {
      if (event.case === "output") seen.push(Buffer.from(event.value).toString());
      if (event.case === "exit") seen.push(`exit ${event.value.code}`);
      heard();
    }
    assert.deepEqual(seen, ["one", "two", "exit 7"]);
    session.close();
    assert.match(await session.closed, /The program is done/);
  });

  test("holds its calls to the rules of the protos", async () => {
    const session = await open();
    const { pods } = createFairleadClient({ transport: session.transport });
    async function* tooLong() {
      yield { event: { case: "start" as const, value: { command: [] } } };
    }
    const reading = (async () => {
      for await (const _ of pods.exec(tooLong()));
    })();
    await assert.rejects(reading, (error) => error instanceof ConnectError && error.code === Code.InvalidArgument);
    session.close();
  });

  test("connects to ports of apps, with half-close, many at a time over one connection", async () => {
    const session = await open();
    const texts = await Promise.all(
      Array.from({ length: 200 }, async (_, number) => {
        const stream = await session.dial({ kind: "app", namespace: "shop", name: "echo", port: 80 }, "there");
        stream.end(`hello ${number}`);
        const chunks: Buffer[] = [];
        for await (const chunk of stream) chunks.push(chunk);
        return Buffer.concat(chunks).toString();
      }),
    );
    assert.equal(texts[199], "hello 199");
    assert.equal(asked[0], "admin-token workload there");
    await assert.rejects(
      session.dial({ kind: "app", namespace: "shop", name: "other" }, undefined),
      /rule: tunnels\/apps/,
    );
    session.close();
  });

  test("is for nobody without a token that is known", async () => {
    await assert.rejects(open("flt_of-nobody"), /HTTP 401/);
    const answer = await world.ask("/session");
    assert.equal(answer.status, 401);
    const plain = await world.ask("/session", { headers: { authorization: `Bearer ${token}` } });
    assert.equal(plain.status, 426);
  });

  test("ends when its client goes, with what it was doing", async () => {
    const session = await open();
    const stream = await session.dial({ kind: "app", namespace: "shop", name: "echo" }, undefined);
    stream.on("error", () => undefined);
    session.close();
    if (!stream.closed) await once(stream, "close");
    await until("the stream has ended", () => stream.destroyed);
  });
});

test("a console that stops ends its sessions, and says so", async () => {
  const world = await startConsole();
  const session = await openAgentSession({ url: `http://127.0.0.1:${world.port}`, token, version: "0.0.1" }, never);
  await assert.rejects(session.dial({ kind: "app", namespace: "shop", name: "web" }, undefined), /Nothing is there/);
  await world[Symbol.asyncDispose]();
  assert.match(await session.closed, /stopping/);
});
