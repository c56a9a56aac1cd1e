/** A session of either end, alone or going on at one carrier after the other, whatever the other end says. */
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { PeerSessions } from "../../src/wire/peer-sessions.ts";
import { SessionError } from "../../src/wire/reason.ts";
import { openSession, type Session, type Side } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import type { Random } from "../faults/simulation/random.ts";
import { hello, never, openPair, service } from "../wire/pair.ts";
import { beginMs, loadConversations, ownRandomBytes, serve } from "./conversations.ts";
import { cut, mutate } from "./mutator.ts";
import type { Input, Target } from "./target.ts";

/** Carriers of one input, at most. */
const mostCarriers = 4;
/** Everything that a session waits for is over by then, in its own time. */
const longEnoughMs = 150_000;
/** What an end may answer: so much, and so many times what it was sent; an Open of a few bytes is refused in a sentence. */
const mostAnswer = { bytes: 512 * 1024, times: 40 };

/** `resumes` says whether the session outlives its carriers. */
export async function createSessionTarget(side: Side, resumes: boolean): Promise<Target> {
  const conversations = await loadConversations(resumes);
  const randomBytes = ownRandomBytes();
  const witness = await openPair({ acceptHigh: serve });

  /** Carriers of conversations in which the other end has spoken, most of them spoiled. */
  function make(random: Random): Input {
    const pick = (): readonly Buffer[] => random.pick(conversations)[side === "high" ? "low" : "high"];
    const spoil = (said: Buffer): Buffer =>
      random.chance(0.2) ? said : mutate(said, random, pick()[0] ?? Buffer.alloc(1), true);
    const carriers = pick().slice(0, resumes ? mostCarriers : 1);
    if (resumes && random.chance(0.3)) carriers.push(...pick().slice(0, 1));
    if (random.chance(0.1)) carriers.reverse();
    return carriers.slice(0, mostCarriers).map((said) => cut(spoil(said), random));
  }

  async function play(input: Input): Promise<void> {
    randomBytes.again();
    const clock = createFakeClock(beginMs);
    const sessions = new PeerSessions(clock);
    const opened = new Set<Session>();
    const strange: unknown[] = [];
    let sent = 0;
    let answered = 0;
    for (const pieces of input) {
      const [carrier, ours] = duplexPair();
      ours.on("error", () => undefined);
      ours.on("data", (chunk: Buffer) => {
        answered += chunk.length;
      });
      const common = { side, hello: hello(side === "low" ? 1 : 2), clock, random: () => 0, accept: serve };
      const onDefect = (error: unknown): void => void strange.push(error);
      openSession({ ...common, carrier, onDefect, ...(resumes ? { sessions } : {}) }, never).then(
        (session) => {
          if (opened.has(session)) return;
          opened.add(session);
          // So that numbers of this end are in use too, and data waits for credit.
          session.dial(service("x")).then(
            (duplex) => duplex.write(Buffer.alloc(1_000)),
            () => undefined,
          );
        },
        (error: unknown) => {
          if (!(error instanceof SessionError)) strange.push(error);
        },
      );
      for (const piece of pieces) {
        sent += piece.length;
        ours.write(Buffer.from(piece));
        // So that what it says in between counts: two turns are what a frame takes here to be read and answered.
        if (pieces.length < 64) for (let turns = 0; turns < 3; turns += 1) await new Promise(setImmediate);
      }
      for (let turns = 0; turns < 6; turns += 1) await new Promise(setImmediate);
      if (pieces.length % 2 === 0) ours.destroy();
      else ours.end();
      await new Promise(setImmediate);
    }
    await clock.advance(longEnoughMs);
    assert.deepEqual(strange, []);
    assert.equal(clock.timers, 0, "a timer is left");
    for (const session of opened) {
      const end = await within(session.closed, "the session ends");
      const { open } = session.stats();
      assert.equal(open.control + open.interactive + open.normal + open.bulk, 0, `a stream is left: ${end.message}`);
    }
    assert.ok(answered <= mostAnswer.bytes + mostAnswer.times * sent, `${answered} bytes answer ${sent}`);
  }

  return {
    name: `${resumes ? "resume" : "session"}-${side}`,
    make,
    play,
    async unharmed() {
      const echo = await witness.low.dial(service("witness"));
      echo.end(Buffer.alloc(10_000, 7));
      let bytes = 0;
      for await (const chunk of echo) bytes += (chunk as Buffer).length;
      assert.equal(bytes, 10_000);
    },
    async close() {
      await witness.close();
      randomBytes.restore();
    },
  };
}

/** Its own time has passed, so it has come by now or never will. */
async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const late = (async (): Promise<never> => {
    for (let turns = 0; turns < 100; turns += 1) await new Promise(setImmediate);
    throw new Error(`In vain, all its time having passed: ${what}.`);
  })();
  return Promise.race([promise, late]);
}
