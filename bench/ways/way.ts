/** A way for a TCP connection to get from one port to another: directly, through the link, through a rival. */
export interface WayKind {
  readonly name: string;
  /** Why it cannot be measured here; undefined when it can. */
  absent?(): string | undefined;
  /** True for one that understands HTTP and passes nothing else. */
  readonly httpOnly?: boolean;
  /** True for one whose network is as it is: nothing can be put into it that delays or cuts. */
  readonly ownNetwork?: boolean;
  /**
   * Starts it so that connections to the answer's port reach `target`. What crosses the "network" goes through `between`, which leads to
   * the port that it is given and answers with the one to dial instead.
   */
  start(o: { readonly target: number; between(port: number): Promise<number> }): Promise<Way>;
}

export interface Way {
  readonly port: number;
  /** All that lead to the target, `port` among them, where one takes fewer connections than are measured. */
  readonly ports?: readonly number[];
  /** Where to ask the target what it has sent, where that is another than the one that all ways are given. */
  readonly target?: number;
  /** The processes whose memory counts: those in between, and not the load or the target. */
  readonly pids: readonly number[];
  close(): Promise<void>;
}
