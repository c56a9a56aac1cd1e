/** The health of one run of a container: its startup probe first, then whether it is ready and whether it lives. */
import type { Clock } from "../../base/clock.ts";
import type { Container, Probe } from "../controllers/shapes.ts";
import { type ProbeTarget, startProbe } from "./probe.ts";

export interface HealthDeps {
  clock: Clock;
  target: ProbeTarget;
  changed(): void;
  /** The startup or liveness probe has given the container up. */
  failed(kind: "startup" | "liveness"): void;
  event(type: "Warning", reason: string, message: string): void;
}

export interface Health {
  readonly isStarted: boolean;
  readonly isReady: boolean;
  stop(): void;
}

export function watchHealth(container: Container, deps: HealthDeps): Health {
  const { startupProbe, readinessProbe, livenessProbe } = container;
  const running: { stop(): void }[] = [];
  let isStarted = startupProbe === undefined;
  let isReady = readinessProbe === undefined;

  function start(kind: string, probe: Probe, judged: (isWell: boolean) => void): void {
    const made = startProbe({ probe, clock: deps.clock, target: deps.target }, (isWell, message) => {
      if (!isWell) deps.event("Warning", "Unhealthy", `${kind} probe failed: ${message}`);
      judged(isWell);
    });
    running.push(made);
  }

  function startOthers(): void {
    if (readinessProbe) {
      start("Readiness", readinessProbe, (isWell) => {
        if (isReady === isWell) return;
        isReady = isWell;
        deps.changed();
      });
    }
    if (livenessProbe) start("Liveness", livenessProbe, (isWell) => !isWell && deps.failed("liveness"));
  }

  if (!startupProbe) startOthers();
  else {
    start("Startup", startupProbe, (isWell) => {
      if (!isWell) return deps.failed("startup");
      if (isStarted) return;
      isStarted = true;
      running[0]?.stop();
      startOthers();
      deps.changed();
    });
  }
  return {
    get isStarted() {
      return isStarted;
    },
    get isReady() {
      return isStarted && isReady;
    },
    stop() {
      for (const probe of running) probe.stop();
    },
  };
}
