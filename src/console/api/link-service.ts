/** `LinkService`: the links as they are at this moment. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Link, LinkService } from "../../gen/fairlead/console/v1/link_service_pb.ts";
import { noSuchPeer } from "../../peering/roster.ts";
import type { LinkLook } from "../../peering/switchboard.ts";
import { differs, toLink } from "./link.ts";

export interface LinkServiceDeps {
  readonly clock: Clock;
  /** Undefined when there is no such peer. */
  look(peer: string): LinkLook | undefined;
  /** Told, with the peer's name, that something of a link may have changed, or that the peer has come or gone. */
  subscribe(listener: (peer: string) => void): () => void;
}

export function createLinkService(deps: LinkServiceDeps): ServiceImpl<typeof LinkService> {
  return {
    getLink({ peer }) {
      const look = deps.look(peer);
      if (!look) throw noSuchPeer(peer);
      return { link: toLink(peer, look) };
    },

    async *watchLink({ peer, everySeconds }, { signal }) {
      const news = new News(deps, peer, everySeconds * 1000, signal);
      try {
        let told: Link | undefined;
        for (;;) {
          const due = news.take();
          const look = deps.look(peer);
          if (!look && !told) throw noSuchPeer(peer);
          if (!look) return;
          const link = toLink(peer, look);
          if (due || !told || differs(link, told)) {
            told = link;
            yield { link };
          }
          await news.some();
        }
      } finally {
        news.close();
      }
    },
  };
}

/** What wakes a watch: a change, or its time. What comes while nobody waits is not lost. */
class News {
  readonly #deps: LinkServiceDeps;
  readonly #everyMs: number;
  readonly #ends: (() => void)[];
  readonly #signal: AbortSignal;
  #timer: Timer | undefined;
  #due = false;
  #fresh = false;
  #wake: (() => void) | undefined;

  constructor(deps: LinkServiceDeps, peer: string, everyMs: number, signal: AbortSignal) {
    this.#deps = deps;
    this.#everyMs = everyMs;
    this.#signal = signal;
    const stop = (): void => this.#wake?.();
    signal.addEventListener("abort", stop, { once: true });
    this.#ends = [
      () => signal.removeEventListener("abort", stop),
      deps.subscribe((name) => {
        if (name !== peer) return;
        this.#fresh = true;
        this.#wake?.();
      }),
    ];
  }

  /** Whether it is time to tell the numbers again. */
  take(): boolean {
    const due = this.#due;
    this.#due = false;
    this.#fresh = false;
    if (this.#everyMs > 0 && !this.#timer) {
      this.#timer = this.#deps.clock.after(this.#everyMs, () => {
        this.#timer = undefined;
        this.#due = true;
        this.#wake?.();
      });
    }
    return due;
  }

  /** Resolves when there is something to look at; rejects with the signal's reason. */
  async some(): Promise<void> {
    if (!this.#fresh && !this.#due && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    this.#signal.throwIfAborted();
  }

  close(): void {
    this.#timer?.cancel();
    for (const end of this.#ends) end();
  }
}
