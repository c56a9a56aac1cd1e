/** Who is behind a link, as the roster knows it. */
export interface ExitCaller {
  /** Of its CA: the only thing that says whose apps are meant. */
  readonly fingerprint: string;
  /** True for a caller who is not in the roster. */
  readonly guest: boolean;
  /** Our own name for the peer; absent for a guest. */
  readonly peer?: string | undefined;
  readonly grants: readonly string[];
  /** Names the stream of the dial, alike at both ends. */
  readonly correlation?: string | undefined;
}
