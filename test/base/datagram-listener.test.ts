import assert from "node:assert/strict";
import dgram, { createSocket } from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { ByteRoom } from "../../src/base/byte-room.ts";
import { type DatagramListenerOptions, listenForDatagrams } from "../../src/base/datagram-listener.ts";
import type { DatagramPipe } from "../../src/base/datagram-pipe.ts";
import { until } from "../patience.ts";
import { createFakeClock } from "./fake-clock.ts";

/** The far end of a flow: answers with what it is told, and its own number before it. */
function far(
  number: number,
): DatagramPipe & { readonly over: boolean; say(text: string): void; end(error?: Error): void } {
  let tell: (payload: Uint8Array) => void = () => undefined;
  const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
  let over = false;
  const end = (error?: Error): void => {
    over = true;
    resolve(error);
  };
  return {
    send(payload) {
      const answer = Buffer.concat([Buffer.from(`${number}:`), payload]);
      setImmediate(() => tell(answer));
      return true;
    },
    listen: (listener) => {
      tell = listener;
    },
    closed,
    say: (text) => tell(Buffer.from(text)),
    close: end,
    end,
    get over() {
      return over;
    },
  };
}

async function listen(t: TestContext, o: Partial<DatagramListenerOptions> = {}) {
  const clock = createFakeClock();
  const flows: ReturnType<typeof far>[] = [];
  const options: DatagramListenerOptions = {
    host: "127.0.0.1",
    port: 0,
    clock,
    open: async () => {
      const flow = far(flows.length + 1);
      flows.push(flow);
      return flow;
    },
  };
  // With what is a getter as one.
  const listener = await listenForDatagrams(Object.defineProperties(options, Object.getOwnPropertyDescriptors(o)));
  t.after(() => listener.close());
  return { listener, clock, flows };
}

/** A client with an address of its own; `ask` resolves with the answer. */
async function client(t: TestContext, port: number) {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  const say = (text: string): void => void socket.send(text, port, "127.0.0.1");
  return {
    say,
    heard: async () => String((await once(socket, "message"))[0]),
    async ask(text: string): Promise<string> {
      const answered = once(socket, "message");
      say(text);
      const [answer] = await answered;
      return String(answer);
    },
  };
}

test("each address that sends has a flow of its own, and its answers; what comes while it is opened waits", async (t) => {
  const { listener, flows } = await listen(t);
  const [one, other] = [await client(t, listener.at.port), await client(t, listener.at.port)];
  assert.equal(await one.ask("a"), "1:a");
  assert.equal(await other.ask("b"), "2:b");
  assert.equal(await one.ask(""), "1:", "also an empty one");
  assert.deepEqual([listener.flows, flows.length], [2, 2]);
});

test("a flow that nobody uses ends, by the clock, and the next datagram begins another", async (t) => {
  const { listener, clock, flows } = await listen(t, { idleMs: 60_000 });
  const one = await client(t, listener.at.port);
  await one.ask("a");
  await clock.advance(59_000);
  assert.equal(await one.ask("b"), "1:b");
  await clock.advance(59_000);
  assert.equal(flows[0]?.over, false);
  await clock.advance(1_001);
  assert.equal(flows[0]?.over, true);
  await until("it is forgotten", () => listener.flows === 0);
  assert.equal(await one.ask("c"), "2:c");
});

test("where there are too many, that ends which was used least recently", async (t) => {
  const { listener, flows } = await listen(t, { mostFlows: 2 });
  const { port } = listener.at;
  const [one, two, three] = [await client(t, port), await client(t, port), await client(t, port)];
  await one.ask("a");
  await two.ask("b");
  await one.ask("c");
  assert.equal(await three.ask("d"), "3:d");
  assert.deepEqual([flows.map(({ over }) => over), listener.flows], [[false, true, false], 2]);
  assert.equal(await one.ask("e"), "1:e");
});

test("an answer is a use as well, also one that nobody has asked for", async (t) => {
  const { listener, flows } = await listen(t, { mostFlows: 2 });
  const { port } = listener.at;
  const [one, two, three] = [await client(t, port), await client(t, port), await client(t, port)];
  await one.ask("a");
  await two.ask("b");
  const heard = one.heard();
  flows[0]?.say("news");
  assert.equal(await heard, "news");
  assert.equal(await three.ask("c"), "3:c");
  assert.deepEqual(
    flows.map(({ over }) => over),
    [false, true, false],
  );
});

test("no flow ends for another before it is open, and no more are opened at a time than there is room for", async (t) => {
  const opening: (() => void)[] = [];
  let begun = 0;
  const { listener } = await listen(t, {
    get mostFlows() {
      begun += 1;
      return 2;
    },
    open: async () => {
      const number = opening.length + 1;
      await new Promise<void>((resolve) => opening.push(resolve));
      return far(number);
    },
  });
  const { port } = listener.at;
  const clients = [await client(t, port), await client(t, port), await client(t, port)];
  const [one, two, three] = clients;
  const answers = [one?.ask("a"), two?.ask("b")];
  await until("both are being opened", () => opening.length === 2);
  three?.say("c");
  await until("the third has been heard", () => begun === 3);
  for (const open of opening) open();
  assert.deepEqual(await Promise.all(answers), ["1:a", "2:b"]);
  const third = three?.ask("d");
  await until("it has its turn now", () => opening.length === 3);
  opening[2]?.();
  assert.equal(await third, "3:d");
});

test("who is refused is asked about once in a second, however much is sent", async (t) => {
  const refused: unknown[] = [];
  let opened = 0;
  const { listener, clock } = await listen(t, {
    open: async () => {
      opened += 1;
      if (opened === 1) throw new Error("the peer is away");
      return far(opened);
    },
    refused: (error) => refused.push(error),
  });
  const one = await client(t, listener.at.port);
  one.say("a");
  await until("it is refused", () => refused.length === 1);
  for (let count = 0; count < 10; count += 1) one.say("b");
  const other = await client(t, listener.at.port);
  assert.equal(await other.ask("x"), "2:x", "others are heard");
  assert.deepEqual([opened, refused.length], [2, 1]);
  await clock.advance(1_000);
  assert.equal(await one.ask("c"), "3:c");
});

test("what breaks over there ends the flow, and closing ends all of them and what is being opened", async (t) => {
  const signals: AbortSignal[] = [];
  let held = false;
  const flows: ReturnType<typeof far>[] = [];
  const { listener } = await listen(t, {
    open: (_from, signal) => {
      signals.push(signal);
      if (held) return new Promise(() => undefined);
      const flow = far(flows.length + 1);
      flows.push(flow);
      return Promise.resolve(flow);
    },
  });
  const one = await client(t, listener.at.port);
  await one.ask("a");
  flows[0]?.end(new Error("nothing listens there"));
  await until("it is forgotten", () => listener.flows === 0);
  assert.equal(await one.ask("b"), "2:b");
  held = true;
  const other = await client(t, listener.at.port);
  other.say("c");
  await until("it is being opened", () => signals.length === 3);
  await listener.close();
  assert.deepEqual([flows[1]?.over, signals[2]?.aborted, listener.flows], [true, true, 0]);
});

/** The listener with its socket, to have it told what came from whatever address there may be. */
async function listenHeld(t: TestContext, o: Partial<DatagramListenerOptions> = {}) {
  const bound: dgram.Socket[] = [];
  const { bind } = dgram.Socket.prototype;
  t.mock.method(dgram.Socket.prototype, "bind", function (this: dgram.Socket, ...given: Parameters<typeof bind>) {
    bound.push(this);
    return bind.apply(this, given);
  });
  const held = await listen(t, o);
  t.mock.restoreAll();
  const [socket] = bound;
  assert.ok(socket);
  const arrive = (port: number, payload: string | Buffer): void =>
    void socket.emit("message", Buffer.from(payload), { address: "127.0.0.1", family: "IPv4", size: 1, port });
  return { ...held, arrive };
}

test("what comes from port 0, where nothing can be answered, begins no flow; and an answer that cannot be sent harms nobody", async (t) => {
  const { listener, flows, arrive } = await listenHeld(t);
  arrive(0, "a");
  assert.equal(listener.flows, 0);
  arrive(65_536, "b");
  await until("it is open", () => flows.length === 1);
  const one = await client(t, listener.at.port);
  assert.equal(await one.ask("c"), "2:c");
  assert.doesNotThrow(() => flows[0]?.say("to nowhere"));
});

test("flows that nobody answers keep others out for half a minute and no longer, and one that comes later ends at once", async (t) => {
  const refused: unknown[] = [];
  const opening: ((pipe: DatagramPipe) => void)[] = [];
  const { listener, clock, arrive } = await listenHeld(t, {
    open: () => new Promise((resolve) => opening.push(resolve)),
    refused: (error) => refused.push(error),
  });
  for (let port = 1; port <= 129; port += 1) arrive(port, "a");
  assert.equal(opening.length, 128, "no more at a time");
  await clock.advance(29_999);
  assert.deepEqual([refused.length, listener.flows], [0, 128]);
  await clock.advance(1);
  await until("all are given up", () => refused.length === 128);
  assert.match(String(refused[0]), /Nobody answered within 30 s/);
  const one = await client(t, listener.at.port);
  const answer = one.ask("b");
  await until("it has its turn", () => opening.length === 129);
  opening[128]?.(far(129));
  assert.equal(await answer, "129:b");
  const late = far(1);
  opening[0]?.(late);
  await until("it is let go", () => late.over);
});

test("what cannot even be begun to open takes nobody's turn for ever", async (t) => {
  const refused: unknown[] = [];
  const { arrive } = await listenHeld(t, {
    open: () => {
      throw new Error("there is no session");
    },
    refused: (error) => refused.push(error),
  });
  for (let port = 1; port <= 128; port += 1) arrive(port, "a");
  await until("all are refused", () => refused.length === 128);
  arrive(129, "a");
  await until("the next one has its turn", () => refused.length === 129);
});

test("what waits for flows that are being opened has room in one for all that listen, beside a little of each", async (t) => {
  const early = new ByteRoom(100_000);
  const opening: ((pipe: DatagramPipe) => void)[] = [];
  const open = (): Promise<DatagramPipe> => new Promise((resolve) => opening.push(resolve));
  const [one, other] = [await listenHeld(t, { early, open }), await listenHeld(t, { early, open })];
  for (let port = 1; port <= 128; port += 1) {
    for (const { arrive } of [one, other]) arrive(port, Buffer.alloc(40_000));
  }
  assert.equal(early.taken, 2 * (40_000 - 2_048), "of two flows, whichever port it came by");
  other.arrive(128, Buffer.alloc(2_000, "o"));
  const heard: number[] = [];
  const last = { ...far(0), send: ({ length }: Uint8Array) => heard.push(length) > 0 };
  opening[255]?.(last);
  await until("what a flow is sure of is led on", () => heard.length > 0);
  assert.deepEqual(heard, [2_000]);
  const first = { ...far(0), send: ({ length }: Uint8Array) => heard.push(length) > 0 };
  opening[0]?.(first);
  await until("so is what had room", () => heard.length > 1);
  assert.deepEqual([heard, early.taken], [[2_000, 40_000], 40_000 - 2_048]);
  await other.listener.close();
  assert.equal(early.taken, 0, "nothing is held for what is over");
});
