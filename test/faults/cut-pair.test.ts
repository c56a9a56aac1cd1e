/** The two agents of bench/pair.ts, as they are, with a proxy between them that cuts while HTTP goes through: nobody who asks notices. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import { createInterface } from "node:readline";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { freePorts } from "../../src/demo/free-port.ts";
import { cuts, startCuttingProxy } from "./cutting-proxy.ts";
import { Random } from "./simulation/random.ts";

const script = new URL("../../bench/pair.ts", import.meta.url).pathname;
const loopback = "127.0.0.1";
const times = 12;
const clients = 6;

/** Answers a POST with the hash of what came, and as many bytes again as came, one hash of which it says ahead. */
async function startTarget(t: TestContext): Promise<number> {
  const server = createServer(async (asked, answer) => {
    const body = await buffer(asked);
    const bytes = randomBytes(body.length);
    const [came, goes] = [body, bytes].map((one) => createHash("sha256").update(one).digest("hex"));
    answer.writeHead(200, { came, goes, "content-length": bytes.length });
    answer.end(bytes);
  });
  server.listen(0, loopback);
  await once(server, "listening");
  t.after(() => server.close().closeAllConnections());
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

/** Sends and takes so many bytes by one request, every one of which is looked at. */
async function ask(port: number, bytes: number, agent: Agent): Promise<void> {
  const body = randomBytes(bytes);
  const asking = request({ port, host: loopback, method: "POST", agent, headers: { "content-length": bytes } });
  const answering = once(asking, "response");
  asking.end(body);
  const [answer] = await answering;
  const back = await buffer(answer);
  assert.equal(answer.headers.came, createHash("sha256").update(body).digest("hex"), "what went is not what was sent");
  assert.equal(answer.headers.goes, createHash("sha256").update(back).digest("hex"), "what came is not what was sent");
}

test(`cut ${times} times under HTTP load, a pair of agents answers every request whole`, async (t) => {
  const random = new Random(1);
  const target = await startTarget(t);
  const [listen = 0, accept = 0] = await freePorts(0);
  const proxy = await startCuttingProxy(accept, random);
  t.after(() => proxy.close());
  const ports = { listen, target, accept, dial: proxy.port };
  const flags = Object.entries(ports).flatMap(([name, port]) => [`--${name}`, String(port)]);
  const pair = spawn(process.execPath, [script, ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => pair.kill("SIGTERM"));
  await once(createInterface(pair.stdout), "line", { signal: AbortSignal.timeout(60_000) });

  let over = false;
  let answered = 0;
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const load = Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      // Some of them connect anew each time.
      const options = client % 2 === 0 ? agent : new Agent();
      for (; !over; answered += 1) await ask(listen, client % 3 === 0 ? 1_000_000 : 1 + answered, options);
    }),
  );
  const cutting = (async () => {
    for (let count = 0; count < times && !over; count += 1) {
      const before = answered;
      // So that each cut meets a link at work: some are answered since the last one.
      while (!over && (proxy.open === 0 || answered < before + clients))
        await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, random.amid(0, 100)));
      await proxy.cut(random.pick(cuts));
    }
  })();
  try {
    await Promise.race([load, cutting]);
  } finally {
    over = true;
  }
  await load;
  t.diagnostic(`${answered} requests, ${proxy.taken} connections`);
  assert.ok(proxy.taken >= times, "hardly anything was cut");
});
