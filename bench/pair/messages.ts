/** What the two agents of a pair and the process that started them say to one another. */

export interface PairPorts {
  /** Where the near agent takes connections. */
  readonly listen: number;
  /** Where the far one brings them. */
  readonly target: number;
  /** Where the far one takes links. */
  readonly accept: number;
  /** Where the near one dials them. */
  readonly dial: number;
  /** Whether the near one takes HTTP alone, as a door. */
  readonly door: boolean;
}

/** What an agent must know of another to be its peer: what an invite and a join would have told it. */
export interface Introduction {
  readonly fingerprint: string;
  readonly caPem: string;
}

export type FromAgent =
  | { readonly kind: "introduction"; readonly me: Introduction }
  /** The far agent takes links; the near one has a link and takes connections. */
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly message: string };

export type ToAgent = { readonly kind: "meet"; readonly peer: Introduction };
