/** The session that all connections of a program share. One that ends is opened again when somebody connects. */
import type { AgentSession } from "../client/session.ts";
import { tellOfConnection } from "./connection-news.ts";
import type { Connection } from "./context.ts";

/** Between attempts to open a session again, in milliseconds. */
const retryMs = 1_000;

export class SharedSession {
  readonly #connection: Pick<Connection, "openSession">;
  readonly #tell: (text: string) => void;
  readonly #signal: AbortSignal;
  #current: Promise<AgentSession> | undefined;
  #failedAt: number | undefined;
  #failure: unknown;
  /** Whoever closes it knows that it ends. */
  #closed = false;

  constructor(connection: Pick<Connection, "openSession">, tell: (text: string) => void, signal: AbortSignal) {
    this.#connection = connection;
    this.#tell = tell;
    this.#signal = signal;
  }

  get(): Promise<AgentSession> {
    // Who connects while the agent is away is told so at once, and the agent is not asked by each of them.
    if (this.#failedAt !== undefined && performance.now() - this.#failedAt < retryMs)
      return Promise.reject(this.#failure);
    this.#current ??= this.#open();
    return this.#current;
  }

  close(): void {
    this.#closed = true;
    void this.#current?.then(
      (session) => session.close(),
      () => undefined,
    );
  }

  async #open(): Promise<AgentSession> {
    try {
      const session = await this.#connection.openSession(this.#signal);
      this.#failedAt = undefined;
      tellOfConnection(session, this.#tell);
      void session.closed.then((why) => {
        this.#current = undefined;
        if (!this.#signal.aborted && !this.#closed)
          this.#tell(`the connection to the agent has ended (${why}); the next one makes it anew\n`);
      });
      return session;
    } catch (error) {
      this.#current = undefined;
      this.#failedAt = performance.now();
      this.#failure = error;
      throw error;
    }
  }
}
