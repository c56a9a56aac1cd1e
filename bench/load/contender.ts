/** Who takes part in the measurement, and what of it can be measured. */
import type { WayKind } from "../ways/way.ts";
import {
  besideBulk,
  type Counted,
  cutTransfer,
  down,
  idleBytes,
  keysBesideBulk,
  openRate,
  requestRate,
  requestsInAll,
  requestTimes,
  stalledBytes,
  up,
} from "./measure.ts";
import { processorSecondsOf } from "./processes.ts";

/**
 * What the table has, in its order. Rates are bytes or things a second, times milliseconds, memory bytes. "Cpu" is the time of
 * processors that those in between used, in seconds a byte, a request, a connection: it hardly depends on what else runs.
 */
export const figures = [
  "down",
  "up",
  "oneP50",
  "rate64",
  "besideP50",
  "besideP99",
  "opens",
  "stalled",
  "idle",
  "down50",
  "besideP99at50",
  "keyP50",
  "keyP99",
  "downCpu",
  "upCpu",
  "requestCpu",
  "openCpu",
  "manyRate",
  "manyErrors",
  "crowd",
  "crowdIdle",
] as const;

export type Figure = (typeof figures)[number];
export type Measured = Partial<Record<Figure, number>>;

/** What can be run by itself with `--only`. The last ones each start their own, and are measured once a run. */
export const parts = [
  "down",
  "up",
  "one",
  "rate64",
  "beside",
  "opens",
  "idle",
  "stalled",
  "at50",
  "keys",
  "cut",
  "many",
  "crowd",
] as const;
export type Part = (typeof parts)[number];
const onceParts = ["idle", "stalled", "at50", "keys", "cut", "many", "crowd"] as const;
export type OncePart = (typeof onceParts)[number];

export function isOnce(part: Part): part is OncePart {
  return onceParts.some((once) => once === part);
}

export interface Contender {
  readonly name: string;
  absent?(): string | undefined;
  /** As of a way. */
  readonly ownNetwork?: boolean;
  /** `between`: as for a way. */
  start(between: (port: number) => Promise<number>): Promise<Running>;
}

export interface Running {
  /** Measures for about so many seconds. A part that has no meaning here is missing. */
  readonly parts: Partial<Record<Exclude<Part, "at50" | "cut">, (seconds: number) => Promise<Measured>>>;
  /** How a transfer ends whose network is cut 20 times, and after how many milliseconds. */
  cut?(cut: () => void): Promise<string>;
  close(): Promise<void>;
}

const cuts = 20;
const cutBytes = 64 * 1024 * 1024;
/** Of "many" and of "crowd". */
const manyRequests = 100_000;
const crowdConnections = 10_000;

/** A way for TCP, in front of a target. */
export function forwarding(kind: WayKind, target: number): Contender {
  return {
    name: kind.name,
    ...(kind.absent && { absent: () => kind.absent?.() }),
    ...(kind.ownNetwork && { ownNetwork: true }),
    async start(between) {
      const { port, pids, close, ...way } = await kind.start({ target, between });
      const rate = async (figure: Figure, cpu: Figure, measure: () => Promise<Counted>): Promise<Measured> => {
        const before = await processorSecondsOf(pids);
        const { perSecond, count } = await measure();
        const used = (await processorSecondsOf(pids)) - before;
        return { [figure]: perSecond, ...(pids.length > 0 && { [cpu]: used / count }) };
      };
      const http = {
        one: async (seconds: number) => ({ oneP50: percentile(await requestTimes(port, seconds), 0.5) }),
        rate64: (seconds: number) => rate("rate64", "requestCpu", () => requestRate(port, seconds, 64)),
        many: async () => {
          const { perSecond, errors } = await requestsInAll(port, manyRequests, 64);
          return { manyRate: perSecond, manyErrors: errors };
        },
      };
      if (kind.httpOnly) return { parts: http, close };
      return {
        parts: {
          ...http,
          down: (seconds) => rate("down", "downCpu", () => down(port, seconds)),
          up: (seconds) => rate("up", "upCpu", () => up(port, seconds)),
          beside: async (seconds) => beside(await besideBulk(port, seconds)),
          opens: (seconds) => rate("opens", "openCpu", () => openRate(port, seconds)),
          ...(pids.length > 0 && {
            idle: async () => ({ idle: (await idleBytes([port], pids, 256)).each }),
            crowd: async () => {
              const { open, each } = await idleBytes(way.ports ?? [port], pids, crowdConnections);
              return { crowd: open, crowdIdle: each };
            },
          }),
          stalled: async (seconds) => ({ stalled: await stalledBytes(port, way.target ?? target, seconds) }),
          keys: async (seconds) => keys(await keysBesideBulk(port, seconds)),
        },
        async cut(cut) {
          const startedAt = performance.now();
          const outcome = await cutTransfer(port, { bytes: cutBytes, times: cuts, cut });
          const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
          return outcome === "survives" ? `survives, ${seconds} s` : outcome;
        },
        close,
      };
    },
  };
}

export function beside(times: number[]): Measured {
  return { besideP50: percentile(times, 0.5), besideP99: percentile(times, 0.99) };
}

function keys(times: number[]): Measured {
  return { keyP50: percentile(times, 0.5), keyP99: percentile(times, 0.99) };
}

/** Of nothing, NaN. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
