import { mayGrow, mayStart, mayTake, type Promised } from "./window.ts";

/**
 * What may be promised to all links of an agent together: bytes that others may send here, and those of them that came and were not read.
 * One for the process; each session has its part of it for as long as it lives.
 */
export class AgentBudget implements Promised {
  readonly total: number;
  first = 0;
  grown = 0;

  /** As many bytes as one likes unless said. */
  constructor(totalBytes = Number.POSITIVE_INFINITY) {
    this.total = totalBytes;
  }

  /** Bytes that are promised now. */
  get promised(): number {
    return this.first + this.grown;
  }

  /** Bytes that may still be promised. */
  get free(): number {
    return this.total - this.promised;
  }
}

/** What may be promised on one link: a bound of its own, inside of its agent's. */
export class LinkBudget implements Promised {
  readonly total: number;
  first = 0;
  grown = 0;
  /** Bytes that came and were not read. */
  held = 0;
  readonly #agent: AgentBudget;
  #closed = false;

  constructor(totalBytes: number, agent: AgentBudget) {
    this.total = totalBytes;
    this.#agent = agent;
  }

  /** Bytes that are promised now, and those that are held among them. */
  get promised(): number {
    return this.first + this.grown;
  }

  /** Bytes that may still be promised here. */
  get free(): number {
    return Math.min(this.total - this.promised, this.#agent.free);
  }

  /** Takes a stream's first window. Says whose bound was in the way if it could not; then nothing was taken. */
  start(bytes: number): "taken" | "link is full" | "agent is full" {
    if (!mayStart(this, bytes)) return "link is full";
    if (!mayStart(this.#agent, bytes) || !mayTake(this.promised, bytes, this.#agent, "quarter")) return "agent is full";
    this.#add(bytes, 0);
    return "taken";
  }

  /** Takes what a window is to grow by; false when it may not. */
  grow(bytes: number): boolean {
    if (!mayGrow(this, bytes) || !mayGrow(this.#agent, bytes)) return false;
    if (!mayTake(this.promised, bytes, this.#agent, "half")) return false;
    this.#add(0, bytes);
    return true;
  }

  /** Gives back what is promised no more. */
  release(first: number, grown: number): void {
    this.#add(-first, -grown);
  }

  /** The session is over: everything goes back at once, whatever is read of it later. */
  close(): void {
    this.#add(-this.first, -this.grown);
    this.held = 0;
    this.#closed = true;
  }

  #add(first: number, grown: number): void {
    if (this.#closed) return;
    this.first += first;
    this.grown += grown;
    this.#agent.first += first;
    this.#agent.grown += grown;
  }
}
