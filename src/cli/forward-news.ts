/** What a forward tells of its connections: why one was refused, and if asked for each that begins and ends. */
import type { JoinEnd } from "../base/join.ts";
import type { ConnectionEnd } from "../base/proxy-protocol.ts";

/** The same refusal again is counted for so long, in milliseconds, and told as one line. */
const gatherMs = 1_000;

export class ForwardNews {
  readonly #tell: (line: string) => void;
  readonly #verbose: boolean;
  /** Lines of refusals that were told just now, and how often each has come again. */
  readonly #again = new Map<string, { count: number; timer: NodeJS.Timeout }>();
  #numbered = 0;

  constructor(tell: (line: string) => void, verbose: boolean) {
    this.#tell = tell;
    this.#verbose = verbose;
  }

  refused(what: string, why: string): void {
    const line = `a connection to ${what} was refused: ${why}`;
    const known = this.#again.get(line);
    if (known) {
      known.count += 1;
      return;
    }
    this.#tell(`${line}\n`);
    this.#again.set(line, { count: 0, timer: setTimeout(() => this.#flush(line), gatherMs).unref() });
  }

  /** The answer is told how it ended. */
  opened(what: string, from: ConnectionEnd | undefined): (end: JoinEnd) => void {
    if (!this.#verbose) return () => undefined;
    this.#numbered += 1;
    const connection = `connection ${this.#numbered}`;
    const startedAt = performance.now();
    this.#tell(`${connection} to ${what} from ${from ? `${from.address} port ${from.port}` : "a program here"}\n`);
    return ({ sent, received, error }) => {
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
      const how = error ? `broke: ${error.message}` : "ended";
      this.#tell(`${connection} ${how} (${sent} bytes there, ${received} back, ${seconds} s)\n`);
    };
  }

  /** Tells what was only counted. */
  close(): void {
    for (const line of [...this.#again.keys()]) this.#flush(line);
  }

  #flush(line: string): void {
    const known = this.#again.get(line);
    if (!known) return;
    clearTimeout(known.timer);
    this.#again.delete(line);
    if (known.count > 0) this.#tell(`${line} (${known.count} more)\n`);
  }
}
