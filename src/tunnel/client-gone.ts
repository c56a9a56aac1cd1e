import { type ClientResponse, isGone } from "./client-side.ts";

/** Whether who asked still waits for the answer. */
export class ClientGone {
  readonly #res: ClientResponse;
  readonly #onClose: () => void;
  #signal: AbortController | undefined;
  #onLeave: (() => void) | undefined;
  #gone: boolean;

  constructor(res: ClientResponse) {
    this.#res = res;
    this.#gone = isGone(res);
    this.#onClose = () => this.#leave();
    res.once("close", this.#onClose);
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Made when it is asked for: most requests have a connection already, and nothing to abort. */
  get signal(): AbortSignal {
    this.#signal ??= new AbortController();
    if (this.#gone) this.#signal.abort();
    return this.#signal.signal;
  }

  /** Calls this one, in place of the one before, when the client goes away. */
  whenGone(leave: () => void): void {
    this.#onLeave = leave;
  }

  /** The answer is out, or somebody else gives it: that the connection closes now says nothing. */
  release(): void {
    this.#onLeave = undefined;
    this.#res.removeListener("close", this.#onClose);
  }

  #leave(): void {
    this.#gone = true;
    this.#signal?.abort();
    this.#onLeave?.();
  }
}
