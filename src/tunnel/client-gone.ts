import type { ClientResponse } from "./client-side.ts";

/** Whether who asked still waits for the answer. */
export class ClientGone {
  readonly #res: ClientResponse;
  readonly #onClose: () => void;
  #signal: AbortController | undefined;
  #then: (() => void) | undefined;
  #gone = false;

  constructor(res: ClientResponse) {
    this.#res = res;
    this.#onClose = () => this.#leave();
    res.once("close", this.#onClose);
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Made when it is asked for: most requests have a connection already, and nothing to abort. */
  get signal(): AbortSignal {
    this.#signal ??= new AbortController();
    if (this.#gone) this.#signal.abort(left);
    return this.#signal.signal;
  }

  /** Calls this one, in place of the one before, when the client goes away. */
  then(leave: () => void): void {
    this.#then = leave;
  }

  /** The answer is out, or somebody else gives it: that the connection closes now says nothing. */
  release(): void {
    this.#then = undefined;
    this.#res.removeListener("close", this.#onClose);
  }

  #leave(): void {
    this.#gone = true;
    this.#signal?.abort(left);
    this.#then?.();
  }
}

/** The same for all: an error with a stack for each client would cost more than the rest of its leaving. */
const left = new Error("The client has gone.");
