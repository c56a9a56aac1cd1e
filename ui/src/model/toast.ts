/** Short news in a corner. Pure. */
import type { Tone } from "./tone.ts";

export interface Toast {
  readonly id: number;
  readonly tone: Tone;
  readonly title: string;
  readonly text: string;
  /** It stays until somebody takes it away. */
  readonly stays?: boolean;
  /** To its cause. */
  readonly way?: { readonly href: string; readonly label: string } | undefined;
}
