/** One row of the table of attacks: it is a test, and a line of docs/security.md. */
import type { Trace } from "./audit-trail.ts";
import type { Ground } from "./ground.ts";

/** What came of each thing that the attack tried, in the words of who answered. */
export type Outcomes = Readonly<Record<string, string>>;

export interface Attack {
  /** Names the test. */
  readonly name: string;
  readonly who: "peer" | "guest" | "host" | "network" | "removed peer";
  /** What they try; a sentence of docs/security.md. */
  readonly tries: string;
  /** What stops them; a sentence of docs/security.md. */
  readonly stops: string;
  /** Tries it all. Fails by itself only when the attack cannot even be carried out, or when it sees that it got through. */
  attempt(ground: Ground): Promise<Outcomes>;
  /** What each try must come to: the whole text, or a pattern. */
  readonly expect: Readonly<Record<string, string | RegExp>>;
  /** What the audit of the host must hold afterwards. */
  readonly audit?: readonly Trace[];
  /** What of the attacker's may be in the cluster afterwards, by kind, such as "workloads"; nothing unless said. */
  readonly leaves?: readonly string[];
}

/** What an app of the attacker's own, which it may have, leaves behind. */
export const ownApp: readonly string[] = ["workloads", "deployments", "replicasets", "pods", "services", "endpoints"];
