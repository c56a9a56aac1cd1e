/** Carriers that are cut on real sockets, again and again, at moments that nobody chose: what runs on the link does not notice. */
import assert from "node:assert/strict";
import { createHash, type Hash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { type Clock, sleepOn, systemClock } from "../../src/base/clock.ts";
import { MembershipService } from "../../src/gen/fairlead/peer/v1/membership_pb.ts";
import type { PeeringDeps } from "../../src/peering/peering.ts";
import { Priority } from "../../src/wire/scheduler.ts";
import { until } from "../patience.ts";
import { acquaint, isConnected, startAgent, type TestAgent } from "../peering/agents.ts";
import { service, serviceName } from "../wire/pair.ts";
import { type CuttingProxy, cuts, startCuttingProxy } from "./cutting-proxy.ts";
import { Random } from "./simulation/random.ts";

const times = 200;
/** Time passes so much faster for the agents, that the waits between their attempts are short here. */
const haste = 10;
/** In that time: a busy machine is to be given as much of its own as ever. */
const patientLimits = { helloTimeoutMs: 100_000, deadMs: 200_000, stalledMs: 30_000, carrierlessMs: 600_000 };
/** A connection lives for so long at most, from when it was taken or its link went on. */
const longestLifeMs = 60;

/** Time that runs, for whoever waits and measures, and the date that it is. */
function hasty(): Clock {
  const after: Clock["after"] = (ms, run) => systemClock.after(ms / haste, run);
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * haste,
    after,
    sleep: (ms, signal) => sleepOn(after, ms, signal),
  };
}

/** What was sent and received here, by the name of what was dialled. */
interface Books {
  readonly sent: Hash;
  readonly received: Hash;
}

/** At the far end: "echo" sends back, "sink" takes all and says its hash, "source" sends until it is told to stop. */
function farEnd(books: Books, isOver: () => boolean, broke: (what: string) => void): PeeringDeps["serveDial"] {
  return (dial) => {
    const stream = dial.accept();
    const name = serviceName(dial.target);
    stream.on("error", (error) => broke(`${name}, at the far end: ${error}`));
    if (name === "echo") stream.pipe(stream);
    else if (name === "source") void send(stream.resume(), books.sent, isOver).then(() => stream.end());
    else void receive(stream, books.received).then(() => stream.end(books.received.digest()));
  };
}

/** Random bytes, a little at a time and not as fast as can be, which others need the machine for too. */
async function send(stream: Duplex, hash: Hash, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const piece = randomBytes(1 + Math.floor(Math.random() * 65_536));
    hash.update(piece);
    if (!stream.write(piece)) await once(stream, "drain");
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
}

async function receive(stream: Duplex, hash: Hash): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return bytes;
}

/** Sends numbers, each when the one before has come back, and only that. */
async function converse(stream: Duplex, isOver: () => boolean): Promise<number> {
  let answers = 0;
  let heard = Buffer.alloc(0);
  const chunks = stream[Symbol.asyncIterator]();
  for (; !isOver(); answers += 1) {
    const message = Buffer.alloc(8);
    message.writeBigUInt64BE(BigInt(answers));
    stream.write(message);
    while (heard.length < 8) heard = Buffer.concat([heard, (await chunks.next()).value as Buffer]);
    assert.deepEqual(heard, message, "another message came back, or it came twice");
    heard = Buffer.alloc(0);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  stream.end();
  assert.equal((await chunks.next()).done, true, "something came behind the last answer");
  return answers;
}

/** Calls, one after the other, each of which is answered once and well. */
async function call(from: TestAgent, to: string, isOver: () => boolean): Promise<number> {
  const client = createClient(MembershipService, from.peering.switchboard.transport(to));
  let calls = 0;
  for (; !isOver(); calls += 1) {
    assert.equal((await client.getFacts({})).version, "0.0.1-test");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return calls;
}

/** So many times: most of them while the link stands, the others while its next connection is being made. */
async function cutAgainAndAgain(
  proxy: CuttingProxy,
  agents: { a: TestAgent; b: TestAgent },
  random: Random,
  isOver: () => boolean,
): Promise<void> {
  for (let count = 0; count < times && !isOver(); count += 1) {
    await until("there is a connection", () => proxy.open > 0);
    if (random.chance(0.8)) await until("the link goes on", () => isConnected(agents.b.peering, agents.a.name));
    await new Promise((resolve) => setTimeout(resolve, random.amid(0, longestLifeMs)));
    await until("there is a connection to cut", () => proxy.open > 0);
    await proxy.cut(random.pick(cuts));
  }
}

test(`cut at random ${times} times during transfers both ways and an interactive stream: no byte lost, none doubled, no stream reset, no message doubled`, async (t: TestContext) => {
  const seed = Math.floor(Math.random() * 2 ** 30);
  t.diagnostic(`seed ${seed}`);
  const random = new Random(seed);
  const clock = hasty();
  let over = false;
  const isOver = (): boolean => over;
  const broken: string[] = [];
  const far: Books = { sent: createHash("sha256"), received: createHash("sha256") };
  const near: Books = { sent: createHash("sha256"), received: createHash("sha256") };
  const options = { clock, linkLimits: patientLimits, random: () => random.next() / 2 };
  const a = await startAgent(t, {
    name: "aachen",
    ...options,
    serveDial: farEnd(far, isOver, (what) => broken.push(what)),
  });
  const proxy = await startCuttingProxy(a.port, random.fork());
  t.after(() => proxy.close());
  const b = await startAgent(t, { name: "berlin", reachable: false, ...options });
  await acquaint(a, b, { urlOfA: `ws://127.0.0.1:${proxy.port}/link`, grants: ["tunnels", "apps"] });
  await Promise.all([a.connected("berlin"), b.connected("aachen")]);
  const dial = async (name: string, priority: Priority): Promise<Duplex> => {
    const stream = await b.peering.switchboard.dial("aachen", service(name), { priority });
    return stream.on("error", (error) => broken.push(`${name}: ${error}`));
  };
  const [echo, up, down] = await Promise.all([
    dial("echo", Priority.INTERACTIVE),
    dial("sink", Priority.BULK),
    dial("source", Priority.BULK),
  ]);
  const work = Promise.all([
    converse(echo, isOver),
    call(b, "aachen", isOver),
    send(up, near.sent, isOver).then(() => up.end()),
    receive(down, near.received).finally(() => down.end()),
    buffer(up),
  ]);
  try {
    // What breaks ends the cutting too.
    await Promise.race([work, cutAgainAndAgain(proxy, { a, b }, random, isOver)]);
  } finally {
    over = true;
  }
  const [messages, calls, , bytes, digest] = await work;
  const session = a.accepted[0]?.session;
  assert.deepEqual(broken, []);
  assert.equal(a.accepted.length, 1, "another session has begun");
  const { carriers, resumes } = session?.stats() ?? { carriers: 0, resumes: 0 };
  t.diagnostic(
    `${proxy.taken} connections, ${carriers} carriers, ${resumes} resumes; ${messages} messages, ${calls} calls, ${bytes} bytes down`,
  );
  assert.ok(carriers > times / 2, `only ${carriers} carriers were cut while the link was on them`);
  assert.equal(near.received.digest("hex"), far.sent.digest("hex"), "what came down is not what was sent");
  assert.equal(digest.toString("hex"), near.sent.digest("hex"), "what went up is not what was sent");
});
