/** Whether an agent is ready: no work of its rooms is stuck, and it can be reached. */
import type { Clock } from "./base/clock.ts";
import { type Check, createHealth, type Health } from "./telemetry/health.ts";

export interface AgentHealthDeps {
  /** Ages of the oldest unfinished work of each, in milliseconds. */
  workloads(): number;
  remoteApps(): number;
  forwards(): number;
  audit(): number;
  /** What keeps the agent's objects, and what is wrong with it. */
  readonly keeper: string;
  readonly keeping: Check;
  /** Whether the peer port takes connections. */
  isListening(): boolean;
  /** Milliseconds since 1970. */
  certificateEndsAt(): number;
  readonly clock: Clock;
}

/** Work that waits for longer than this, in milliseconds, makes the agent not ready. */
const stuckAfterMs = 120_000;

export function agentHealth(deps: AgentHealthDeps): Health {
  const health = createHealth();
  health.addWork("workloads", () => deps.workloads(), stuckAfterMs);
  health.addWork("remote-apps", () => deps.remoteApps(), stuckAfterMs);
  health.addWork("forwards", () => deps.forwards(), stuckAfterMs);
  health.addWork("audit", () => deps.audit(), stuckAfterMs);
  health.addReadiness(deps.keeper, deps.keeping);
  // Whether peers are connected is none of these: an agent whose peers are all away is as ready as can be.
  health.addReadiness("peer-port", () => (deps.isListening() ? undefined : "It takes no connections."));
  health.addReadiness("identity", () =>
    deps.certificateEndsAt() > deps.clock.now() ? undefined : "This agent's certificate has ended.",
  );
  return health;
}
