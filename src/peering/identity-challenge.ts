/** Another process has come with a peer's identity: is the one that we know still alive? */
import type { Link } from "../link/link.ts";
import { Reason } from "../wire/reason.ts";
import type { HeldLink } from "./held-link.ts";

/** Links that wait for the answer, at most; the oldest is closed for a newer one. */
const mostCandidates = 4;

/** One question on the link that counts, and the links by other instances that wait for the answer. */
export class IdentityChallenge {
  /** Resolves when it is decided. */
  readonly over: Promise<void>;
  readonly #candidates = new Set<HeldLink>();
  #decide: ((alive: boolean) => void) | undefined;

  /** `answer` says whether anybody answers on the link that counts; `decide` is told, once, with those that still wait. */
  constructor(first: HeldLink, answer: Promise<boolean>, decide: (alive: boolean, waiting: HeldLink[]) => void) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.over = promise;
    this.#decide = (alive) => {
      this.#decide = undefined;
      decide(alive, this.waiting);
      resolve();
    };
    this.#candidates.add(first);
    void answer.then((alive) => this.#decide?.(alive));
  }

  /** Nobody can answer any more: it is decided at once. */
  giveUp(): void {
    this.#decide?.(false);
  }

  get waiting(): HeldLink[] {
    return [...this.#candidates];
  }

  has(link: Link): boolean {
    return this.waiting.some((held) => held.link === link);
  }

  add(held: HeldLink): void {
    this.#candidates.add(held);
    const [oldest] = this.#candidates;
    if (!oldest || this.#candidates.size <= mostCandidates) return;
    this.#candidates.delete(oldest);
    oldest.link.close({ reason: Reason.OVERLOADED, message: "Newer links wait for the same decision." });
  }

  drop(held: HeldLink): void {
    this.#candidates.delete(held);
  }
}

/** Names both, so that an operator finds the copy. */
export function describeDuplicate(name: string, first: HeldLink, second: HeldLink): string {
  return (
    `Two living agents have the identity of ${name}: ${describe(first)} holds the link, ${describe(second)} was refused. ` +
    "One is a copy: delete its identity Secret, restart it, and pair it anew."
  );
}

function describe({ instance, link }: HeldLink): string {
  const version = link.session.remote.version || "unknown version";
  return `instance ${instance.slice(0, 8)} (${version}, ${link.remoteAddress ?? "unknown address"})`;
}
