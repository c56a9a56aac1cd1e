/**
 * What the agent counts, in Prometheus' format. The only importer of prom-client, so that rooms see four functions and
 * no global registry: each `createMetrics` stands for itself, as two agents in one process (tests, the demo) need it.
 */
import { Counter as PromCounter, Gauge as PromGauge, Histogram as PromHistogram, Registry } from "prom-client";

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

export interface Metrics {
  /** `name` without the prefix "fairlead_", ending in `_total`; declared once. */
  counter<Name extends string = never>(name: string, help: string, labels?: readonly Name[]): Counter<Name>;
  gauge<Name extends string = never>(name: string, help: string, labels?: readonly Name[]): Gauge<Name>;
  /** A gauge whose value is asked for when the metrics are read. */
  watch(name: string, help: string, read: () => number): void;
  /** `buckets` are upper bounds in the unit of the name, ascending. */
  histogram<Name extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly Name[],
  ): Histogram<Name>;
  /** All of them in Prometheus' text format. */
  expose(): Promise<string>;
  /** The media type of what `expose` returns. */
  readonly contentType: string;
}

/** With the process' own memory, CPU time and age already in it. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const named = (name: string, help: string, labels: readonly string[] = []) => ({
    name: `fairlead_${name}`,
    help,
    labelNames: labels,
    registers: [registry],
  });
  const metrics: Metrics = {
    counter(name, help, labels) {
      const counter = new PromCounter(named(name, help, labels));
      return { inc: (values, by = 1) => counter.inc(values, by) };
    },
    gauge(name, help, labels) {
      const gauge = new PromGauge(named(name, help, labels));
      return { set: (values, value) => gauge.set(values, value), remove: (values) => gauge.remove(values) };
    },
    watch(name, help, read) {
      new PromGauge({
        ...named(name, help),
        collect() {
          this.set(read());
        },
      });
    },
    histogram(name, help, buckets, labels) {
      const histogram = new PromHistogram({ ...named(name, help, labels), buckets: [...buckets] });
      return { observe: (values, value) => histogram.observe(values, value) };
    },
    expose: () => registry.metrics(),
    contentType: registry.contentType,
  };
  watchProcess(metrics);
  return metrics;
}

/** Own names, because prom-client's defaults start timers and observers that outlive what they observe. */
function watchProcess(metrics: Metrics): void {
  metrics.watch("process_resident_memory_bytes", "Memory of the agent's process.", () => process.memoryUsage.rss());
  metrics.watch("process_heap_bytes", "JavaScript heap in use.", () => process.memoryUsage().heapUsed);
  metrics.watch("process_cpu_seconds", "CPU time that the process has used, user and system.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.watch("process_uptime_seconds", "Age of the process.", () => process.uptime());
}
