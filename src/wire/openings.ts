import type { Announce, Open } from "../gen/fairlead/wire/v1/frame_pb.ts";
import { Announcements } from "./announcements.ts";
import type { AgentBudget, LinkBudget } from "./budget.ts";
import { ReceiveCredit } from "./credit.ts";
import type { Limits } from "./limits.ts";
import { Reason, StreamError } from "./reason.ts";
import { firstWindow } from "./window.ts";

export interface OpeningsDeps {
  readonly limits: Limits;
  /** What may be promised to streams. */
  readonly budget: LinkBudget;
  /** What the other end was told in the Hello that its streams start with. */
  readonly helloCredit: number;
}

/** What a Hello says that a stream starts with, as long as nothing else is promised on the link. */
export function helloCredit(limits: Limits, budget: AgentBudget | undefined): number {
  const free = Math.min(limits.linkBudgetBytes, budget?.free ?? limits.linkBudgetBytes);
  return firstWindow(limits.streamCredit, limits.leastStreamCredit, 0, free);
}

/** Whether a stream may begin, and what the other end may send on it then: within the budget, and less the more streams there are. */
export class Openings {
  readonly #deps: OpeningsDeps;
  readonly #announcements: Announcements;

  constructor(deps: OpeningsDeps) {
    this.#deps = deps;
    this.#announcements = new Announcements(deps.helloCredit, deps.limits.maxStreams);
  }

  /** For a stream of this end, when there are `streams` already: what the other end may send on it, and the credit that says so. Throws a StreamError. */
  own(streams: number): { window: number; credit: ReceiveCredit } {
    const window = this.#window(streams);
    const refusal = this.#start(window);
    if (refusal !== undefined) throw refusal;
    return { window, credit: this.#credit(window) };
  }

  /** For a stream that the other end opens: its credit, or why it is not taken up. */
  theirs(open: Open): ReceiveCredit | StreamError {
    const window = this.#announcements.creditOf(open.announce, open.taken);
    if (window === undefined || open.credit > BigInt(Number.MAX_SAFE_INTEGER)) {
      const message = "The Open names an announcement that was never made, or more credit than there is.";
      return new StreamError(Reason.PROTOCOL, message);
    }
    return this.#start(window) ?? this.#credit(window);
  }

  /** What the other end is to be told when there are `streams`, if that has changed. */
  announce(streams: number): Announce | undefined {
    return this.#announcements.change(this.#window(streams), this.#window(streams * 2));
  }

  #window(streams: number): number {
    const { limits, budget } = this.#deps;
    return firstWindow(limits.streamCredit, limits.leastStreamCredit, streams, budget.free);
  }

  #start(window: number): StreamError | undefined {
    switch (this.#deps.budget.start(window)) {
      case "taken":
        return undefined;
      case "link is full":
        return new StreamError(
          Reason.TOO_MANY_STREAMS,
          "The streams that are open may use all the memory of this link.",
        );
      case "agent is full":
        return new StreamError(
          Reason.OVERLOADED,
          "The links of this agent may use all the memory that there is for them.",
        );
    }
  }

  #credit(window: number): ReceiveCredit {
    return new ReceiveCredit(window, this.#deps.limits.mostStreamCredit, this.#deps.budget);
  }
}
