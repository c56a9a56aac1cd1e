/** Calls of all four kinds, with what they answer, and what is known of them from outside. */
import { once } from "node:events";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createRpcServer, type RpcServer } from "../../../src/rpc/server.ts";
import { createLinkTransport } from "../../../src/rpc/transport.ts";
import { Reason, StreamError } from "../../../src/wire/reason.ts";
import { EchoService } from "../../gen/fairlead/test/v1/echo_pb.ts";
import type { Agent } from "./agent.ts";
import type { Judge } from "./expectations.ts";
import type { Route } from "./network.ts";
import type { Life, World } from "./world.ts";

export interface CallPlan {
  readonly number: number;
  readonly from: string;
  readonly to: string;
  readonly kind: "say" | "pour" | "collect" | "talk";
  /** Messages of a stream. */
  readonly count: number;
  /** Bytes of a message. */
  readonly size: number;
  /** What a handler takes for its answer, and a caller between two messages. */
  readonly pauseMs: number;
  /** The handler of "collect" answers when so many have come, whatever else does. */
  readonly leavesAfter?: number;
  /** The handler of "say" waits until it is told that nobody waits for it. */
  readonly hangs: boolean;
  readonly deadlineMs?: number;
  readonly abortMs?: number;
  /** Nothing may break it: the network is well. */
  readonly strict: boolean;
}

export interface CallDeps {
  readonly world: World;
  readonly judge: Judge;
  readonly route: Route;
  readonly mayRefuse: "nobody" | "here" | "anybody";
  /** The server holds so little of unfinished messages that a call may be refused. */
  readonly fewBytes: boolean;
}

/** Tells the handler of "collect" when to leave. */
const leaveHeader = "leave-after";
/** By how much a deadline may be missed, in milliseconds, on a machine that runs. */
const lateMs = 5;

/** A text "5 abc" is answered after 5 ms, "hang abc" never. */
export function createSimulatedServer(
  life: Life,
  maxUnfinishedBytes: number,
  onDefect: (error: unknown) => void,
): RpcServer {
  return createRpcServer({
    maxUnfinishedBytes,
    onDefect,
    routes: (router) =>
      router.service(EchoService, {
        async say({ text }, { signal }) {
          if (text.startsWith("hang")) await once(signal, "abort");
          else await life.clock.sleep(Number.parseInt(text, 10), signal);
          return { text };
        },
        async *pour({ count, size }) {
          for (let number = 0; number < count; number++) yield { number, data: new Uint8Array(size).fill(number) };
        },
        async collect(requests, { requestHeader }) {
          const most = Number(requestHeader.get(leaveHeader) ?? Number.POSITIVE_INFINITY);
          let count = 0;
          let bytes = 0n;
          for await (const { data } of requests) {
            if (data.some((byte) => byte !== count % 256)) onDefect(new Error("A message came out of its turn."));
            count += 1;
            bytes += BigInt(data.length);
            if (count === most) break;
          }
          return { count, bytes };
        },
        async *talk(requests) {
          for await (const { text } of requests) yield { text };
        },
      }),
  });
}

export class Call {
  readonly plan: CallPlan;
  readonly #agent: Agent;
  outcome: "pending" | "answered" | "failed" = "pending";
  readonly #deps: CallDeps;
  #aborted = false;

  constructor(plan: CallPlan, agent: Agent, deps: CallDeps) {
    this.plan = plan;
    this.#agent = agent;
    this.#deps = deps;
  }

  get over(): boolean {
    return this.outcome !== "pending" || !this.#agent.life.alive;
  }

  describe(): string {
    const { number, kind, from, to } = this.plan;
    return `call ${number} ${kind} ${from}>${to} ${this.outcome}`;
  }

  start(): void {
    this.#run(this.#agent).then(
      () => {
        if (this.outcome === "pending") this.outcome = "answered";
        this.#deps.world.log(this.describe());
      },
      (error: unknown) => this.#deps.world.fail(error),
    );
  }

  async #run(agent: Agent): Promise<void> {
    const { plan } = this;
    const { world } = this.#deps;
    const session = await agent.session(plan.to);
    const startedAt = world.now;
    const abort = new AbortController();
    const timer = plan.abortMs === undefined ? undefined : agent.life.clock.after(plan.abortMs, () => abort.abort());
    try {
      await this.#make(createClient(EchoService, createLinkTransport(session)), agent.life, {
        signal: abort.signal,
        ...(plan.deadlineMs === undefined ? {} : { timeoutMs: plan.deadlineMs }),
      });
    } catch (error) {
      this.#aborted = abort.signal.aborted;
      this.#judge(error, world.now - startedAt);
    } finally {
      timer?.cancel();
      // Connect keeps no other way to say that nobody listens any more.
      abort.abort();
    }
    const { deadlineMs, pauseMs } = plan;
    // A caller that is busy with the last message sees the end of its pause first.
    if (deadlineMs === undefined || agent.life.wasHeld || world.now - startedAt <= deadlineMs + pauseMs + lateMs)
      return;
    throw new Error(
      `${this.describe()} ended ${world.now - startedAt} ms after its begin; its deadline was ${deadlineMs}.`,
    );
  }

  async #make(
    client: ReturnType<typeof createClient<typeof EchoService>>,
    life: Life,
    options: { signal: AbortSignal; timeoutMs?: number },
  ): Promise<void> {
    const { kind, count, size, pauseMs, hangs, leavesAfter } = this.plan;
    switch (kind) {
      case "say": {
        const text = `${hangs ? "hang" : pauseMs} ${"x".repeat(size)}`;
        this.#check((await client.say({ text }, options)).text === text, "the text");
        break;
      }
      case "pour": {
        let next = 0;
        for await (const { number, data } of client.pour({ count, size }, options)) {
          this.#check(
            number === next && data.length === size && data.every((b) => b === next % 256),
            `message ${next}`,
          );
          next += 1;
          if (pauseMs > 0) await life.clock.sleep(pauseMs);
        }
        this.#check(next === count, `${next} messages`);
        break;
      }
      case "collect": {
        const answer = await client.collect(
          spaced(life, count, pauseMs, (number) => ({ data: new Uint8Array(size).fill(number) })),
          { ...options, ...(leavesAfter === undefined ? {} : { headers: { [leaveHeader]: String(leavesAfter) } }) },
        );
        const read = Math.min(count, leavesAfter ?? count);
        this.#check(answer.count === read && answer.bytes === BigInt(read * size), `${answer.count} messages`);
        break;
      }
      case "talk": {
        let next = 0;
        const texts = spaced(life, count, pauseMs, (number) => ({ text: `${number} ${"y".repeat(size)}` }));
        for await (const { text } of client.talk(texts, options)) {
          this.#check(text === `${next} ${"y".repeat(size)}`, `text ${next}`);
          next += 1;
        }
        this.#check(next === count, `${next} texts`);
        break;
      }
    }
  }

  #check(right: boolean, what: string): void {
    if (!right) throw new WrongAnswer(`${this.describe()}: ${what} came, which is not what is right.`);
  }

  #judge(error: unknown, tookMs: number): void {
    const { judge, route, world, mayRefuse, fewBytes } = this.#deps;
    const { plan } = this;
    if (!(error instanceof ConnectError)) throw error;
    const reason = error.metadata.get("fairlead-reason") ?? "";
    this.outcome = "failed";
    world.log(`failed with ${Code[error.code]} ${reason}: ${this.describe()}`);
    const isRemote = error.cause instanceof StreamError && error.cause.remote;
    if (reason === "TOO_MANY_STREAMS" && (mayRefuse === "anybody" || (mayRefuse === "here" && !isRemote))) return;
    if (error.code === Code.ResourceExhausted && reason === "" && fewBytes && !plan.strict) return;
    if (plan.strict) throw new Error(`${this.describe()} failed on a network that is well.`, { cause: error });
    if (error.code === Code.Canceled && this.#aborted) return;
    if (error.code === Code.DeadlineExceeded && plan.deadlineMs !== undefined && tookMs >= plan.deadlineMs - 1) return;
    const number = Reason[reason as keyof typeof Reason];
    if (error.code !== Code.Unavailable || number === undefined) {
      throw new Error(`${this.describe()} failed without cause.`, { cause: error });
    }
    judge.judgeReset(this.describe(), route, number, error.rawMessage, []);
  }
}

class WrongAnswer extends Error {}

async function* spaced<T>(life: Life, count: number, pauseMs: number, make: (number: number) => T): AsyncGenerator<T> {
  for (let number = 0; number < count; number++) {
    yield make(number);
    if (pauseMs > 0) await life.clock.sleep(pauseMs);
  }
}
