import type { Random } from "../faults/simulation/random.ts";

/** What one connection of an input brings, in pieces as they come. */
export type Input = readonly (readonly Buffer[])[];

/** Something that anybody's bytes can reach. */
export interface Target {
  readonly name: string;
  /** The input of that chance: the same chance, the same input. */
  make(random: Random): Input;
  /** Plays it, and throws when a promise is broken; also when it takes too long in the target's own time. */
  play(input: Input): Promise<void>;
  /** Whether others, who share the process, are as well as before. */
  unharmed(): Promise<void>;
  close(): Promise<void>;
}
