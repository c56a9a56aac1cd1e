/**
 * What the agent counts, in Prometheus' format. The only importer of prom-client, so that rooms see four functions and
 * no global registry: each `createMetrics` stands for itself, as two agents in one process (tests, the demo) need it.
 */

import { Counter as PromCounter, Gauge as PromGauge, Histogram as PromHistogram, Registry } from "prom-client";
import { createBreather } from "../base/breather.ts";

/** Values of the labels that the metric was declared with; each must be given, and each from a bounded set. */
export type Labels<Name extends string> = Readonly<Record<Name, string>>;

export interface Counter<Name extends string> {
  /** Adds 1, or `by`, which is not negative. */
  inc(labels: Labels<Name>, by?: number): void;
}

export interface Gauge<Name extends string> {
  set(labels: Labels<Name>, value: number): void;
  /** Forgets one combination of labels, such as a peer that was removed. */
  remove(labels: Labels<Name>): void;
}

export interface Histogram<Name extends string> {
  /** Seconds or bytes, as the metric's name says. */
  observe(labels: Labels<Name>, value: number): void;
}

/** One metric of a family. */
export interface Member {
  readonly help: string;
  /** Each must be given with each value, from a bounded set. */
  readonly labels?: readonly string[];
}

/** Gives one value of a member of the family; no value when it is undefined. */
export type Put<Name extends string> = (
  name: Name,
  labels: Readonly<Record<string, string>>,
  value: number | undefined,
) => void;

/** A metric as its readers know it. */
export interface MetricDescription {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
}

export interface Metrics {
  /** `name` without the prefix "fairlead_", ending in `_total`; declared once. */
  counter<Name extends string = never>(name: string, help: string, labels?: readonly Name[]): Counter<Name>;
  gauge<Name extends string = never>(name: string, help: string, labels?: readonly Name[]): Gauge<Name>;
  /** A gauge, or a counter where the name ends in `_total`, whose value is asked for when the metrics are read. */
  watch(name: string, help: string, read: () => number): void;
  /**
   * Metrics whose values stand somewhere else already and are all taken at one look, each time the metrics are read. What a
   * look does not put is not there any more, such as a peer that was removed. Counters are those whose name ends in `_total`. A long
   * look gives way to other work now and then; looks never overlap.
   */
  family<Name extends string>(
    members: Readonly<Record<Name, Member>>,
    look: (put: Put<Name>) => void | Promise<void>,
  ): void;
  /** `buckets` are upper bounds in the unit of the name, ascending. */
  histogram<Name extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly Name[],
  ): Histogram<Name>;
  /** What is declared, by name. */
  describe(): MetricDescription[];
  /** All of them in Prometheus' text format. */
  expose(): Promise<string>;
  /** The media type of what `expose` returns. */
  readonly contentType: string;
}

/** With the process' own memory, CPU time and age already in it. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const looks: (() => void | Promise<void>)[] = [];
  let exposing: Promise<unknown> = Promise.resolve();
  const described: MetricDescription[] = [];
  const declare = (kind: MetricDescription["kind"], name: string, help: string, labels: readonly string[] = []) => {
    described.push({ name: `fairlead_${name}`, kind, help, labels });
    return { name: `fairlead_${name}`, help, labelNames: labels, registers: [registry] };
  };
  const metrics: Metrics = {
    counter(name, help, labels) {
      const counter = new PromCounter(declare("counter", name, help, labels));
      return { inc: (values, by = 1) => counter.inc(values, by) };
    },
    gauge(name, help, labels) {
      const gauge = new PromGauge(declare("gauge", name, help, labels));
      return { set: (values, value) => gauge.set(values, value), remove: (values) => gauge.remove(values) };
    },
    watch(name, help, read) {
      metrics.family({ [name]: { help } }, (put) => put(name, {}, read()));
    },
    family(members, look) {
      const known = new Map<string, PromCounter | PromGauge>();
      for (const [name, { help, labels }] of Object.entries<Member>(members)) {
        const metric = name.endsWith("_total")
          ? new PromCounter(declare("counter", name, help, labels))
          : new PromGauge(declare("gauge", name, help, labels));
        known.set(name, metric);
      }
      looks.push(() => {
        for (const metric of known.values()) metric.reset();
        return look((name, labels, value) => {
          if (value !== undefined) known.get(name)?.inc(labels, value);
        });
      });
    },
    histogram(name, help, buckets, labels) {
      const histogram = new PromHistogram({ ...declare("histogram", name, help, labels), buckets: [...buckets] });
      return { observe: (values, value) => histogram.observe(values, value) };
    },
    describe: () => [...described],
    expose() {
      // One reader after another: they share the values that a look puts.
      const exposed = exposing.then(expose, expose);
      exposing = exposed;
      return exposed;
    },
    contentType: registry.contentType,
  };
  watchProcess(metrics);
  return metrics;

  /** Thousands of peers are tens of thousands of lines, and nobody is to wait for those. */
  async function expose(): Promise<string> {
    const breathe = createBreather();
    for (const look of looks) {
      await look();
      await breathe();
    }
    const texts: string[] = [];
    for (const { name } of described) {
      texts.push(await registry.getSingleMetricAsString(name));
      await breathe();
    }
    return `${texts.join("\n\n")}\n`;
  }
}

/** Own names, because prom-client's defaults start timers and observers that outlive what they observe. */
function watchProcess(metrics: Metrics): void {
  metrics.watch("process_resident_memory_bytes", "Memory of the agent's process.", () => process.memoryUsage.rss());
  metrics.watch("process_heap_bytes", "JavaScript heap in use.", () => process.memoryUsage().heapUsed);
  metrics.watch("process_cpu_seconds_total", "CPU time that the process has used, user and system.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.watch("process_uptime_seconds", "Age of the process.", () => process.uptime());
}
