/** A dialled stream, with what its two ends do, and what is known of it from outside. */
import { create } from "@bufbuild/protobuf";
import { type Target, TargetSchema } from "../../../src/gen/fairlead/wire/v1/target_pb.ts";
import { Reason, StreamError } from "../../../src/wire/reason.ts";
import type { Priority } from "../../../src/wire/scheduler.ts";
import type { IncomingDial } from "../../../src/wire/session.ts";
import type { Agent } from "./agent.ts";
import type { Judge } from "./expectations.ts";
import { Flow } from "./ledger.ts";
import type { Route } from "./network.ts";
import { playSide, type SideEnd, type SidePlan } from "./side.ts";
import type { Life, World } from "./world.ts";

export interface ExchangePlan {
  readonly number: number;
  readonly from: string;
  readonly to: string;
  readonly priority: Priority;
  readonly opener: SidePlan;
  readonly acceptor: SidePlan;
  readonly decision: "accept" | "refuse" | "never";
  readonly decisionMs: number;
  /** The dial is given up when it has not succeeded within so long. */
  readonly giveUpMs?: number;
  /** Nothing may break it: the network is well. */
  readonly strict: boolean;
}

export interface ExchangeDeps {
  readonly world: World;
  readonly judge: Judge;
  readonly route: Route;
  /** Bytes that may be written and not read, from the opener to the acceptor and back. */
  readonly mostBytes: readonly [number, number];
  /** For want of room: here, where it is known that the other end takes few streams, or at either end. */
  readonly mayRefuse: "nobody" | "here" | "anybody";
}

export class Exchange {
  readonly plan: ExchangePlan;
  /** How it ended, as the opener sees it. */
  outcome: "pending" | "whole" | "left" | "refused" | "broken" = "pending";
  readonly #deps: ExchangeDeps;
  readonly #there: Flow;
  readonly #back: Flow;
  readonly #runs: { readonly life: Life; over: boolean }[] = [];
  #opener: Life | undefined;
  #askedAt: number | undefined;
  #opened = false;
  #taken = false;
  #left = false;

  constructor(plan: ExchangePlan, deps: ExchangeDeps) {
    this.plan = plan;
    this.#deps = deps;
    const name = `stream ${plan.number} from ${plan.from} to ${plan.to}`;
    this.#there = new Flow(`${name}, there`, plan.number * 2, deps.mostBytes[0]);
    this.#back = new Flow(`${name}, back`, plan.number * 2 + 1, deps.mostBytes[1]);
  }

  /** Nothing of it runs any more, or only where the process has died. One that was never begun is not over, unless it never will be. */
  get over(): boolean {
    if (this.#runs.length === 0 && this.#opener?.alive) return false;
    return this.#runs.every(({ life, over }) => over || !life.alive);
  }

  /** It will be begun there. */
  await(agent: Agent): void {
    this.#opener = agent.life;
  }

  describe(): string {
    const { number, from, to } = this.plan;
    const flows = [this.#there, this.#back].map(({ sent, came, endCame }) => `${came}/${sent}${endCame ? " end" : ""}`);
    const running = this.#runs.filter(({ over }) => !over).map(({ life }) => life.name);
    const runs = running.length > 0 ? `, runs at ${running.join(" and ")}` : "";
    return `stream ${number} ${from}>${to} ${this.outcome}${runs}, ${flows.join(" and ")}`;
  }

  /** At the opener. */
  start(agent: Agent): void {
    this.#run(agent.life, () => this.#open(agent));
  }

  /** At the acceptor. */
  serve(incoming: IncomingDial, life: Life): void {
    if (this.#taken) throw new Error(`${this.describe()} was opened twice.`);
    this.#taken = true;
    this.#run(life, () => this.#accept(incoming, life));
  }

  #run(life: Life, work: () => Promise<void>): void {
    const run = { life, over: false };
    this.#runs.push(run);
    work().then(
      () => {
        run.over = true;
        this.#deps.world.log(this.describe());
      },
      (error: unknown) => this.#deps.world.fail(error),
    );
  }

  async #open(agent: Agent): Promise<void> {
    const { plan } = this;
    const session = await agent.session(plan.to);
    const giveUp = new AbortController();
    const timer =
      plan.giveUpMs === undefined ? undefined : agent.life.clock.after(plan.giveUpMs, () => giveUp.abort(new Error()));
    this.#askedAt = this.#deps.world.now;
    try {
      const duplex = await session.dial(target(plan.number), { priority: plan.priority, signal: giveUp.signal });
      timer?.cancel();
      this.#opened = true;
      this.#ended(await playSide(duplex, agent.life, plan.opener, this.#there, this.#back), "opener");
    } catch (error) {
      timer?.cancel();
      if (this.#opened || !(error instanceof StreamError)) throw error;
      if (giveUp.signal.aborted) this.#left = true;
      this.outcome = "refused";
      this.#judge(error);
    }
  }

  async #accept(incoming: IncomingDial, life: Life): Promise<void> {
    const { plan } = this;
    if (plan.decision === "never") {
      await new Promise<void>((resolve) => {
        if (incoming.signal.aborted) resolve();
        else incoming.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      return;
    }
    if (plan.decisionMs > 0) await life.clock.sleep(plan.decisionMs);
    if (plan.decision === "refuse") {
      incoming.refuse(Reason.DENIED, "It is planned so.");
      return;
    }
    this.#ended(await playSide(incoming.accept(), life, plan.acceptor, this.#back, this.#there), "acceptor");
  }

  #ended({ error, left, whole }: SideEnd, side: "opener" | "acceptor"): void {
    if (left) this.#left = true;
    if (side === "opener") this.outcome = whole ? "whole" : left ? "left" : "broken";
    if (whole && side === "opener" && this.plan.acceptor.writesLast && !this.#there.endCame) {
      throw new Error(`${this.describe()}: was answered before its request had come.`);
    }
    if (error !== undefined) this.#judge(error);
  }

  #judge(error: Error): void {
    const { judge, route, world } = this.#deps;
    if (!(error instanceof StreamError))
      throw new Error(`${this.describe()} broke with an odd error.`, { cause: error });
    const { reason, remote, message } = error;
    world.log(`reset ${reason}${remote ? " from there" : ""}: ${this.describe()}`);
    if (
      reason === Reason.TOO_MANY_STREAMS &&
      (this.#deps.mayRefuse === "anybody" || (!remote && this.#deps.mayRefuse === "here"))
    )
      return;
    if (this.plan.strict) throw new Error(`${this.describe()} broke on a network that is well.`, { cause: error });
    const asked = this.#askedAt === undefined ? "" : `, asked at ${this.#askedAt.toFixed(3)}`;
    const own: Reason[] = this.plan.decision === "refuse" ? [Reason.DENIED] : [];
    if (this.#left) own.push(Reason.CANCELLED, Reason.BROKEN);
    judge.judgeReset(`${this.describe()}${asked}`, route, reason, message, own);
  }
}

const namespace = "simulated";

function target(number: number): Target {
  return create(TargetSchema, { kind: { case: "service", value: { namespace, name: String(number) } } });
}

/** The number of the exchange that is dialled. */
export function exchangeNumber({ kind }: Target): number {
  return kind.case === "service" ? Number(kind.value.name) : -1;
}
