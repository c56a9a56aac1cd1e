/**
 * What an agent says of its cluster to peers: what its nodes are together, of which architectures, what they have to give, and where
 * they are. Nodes are read now and then, and not followed: they report every few seconds. An agent that may not read them says less.
 */
import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { isJsonObject, type JsonObject } from "./object.ts";
import type { Requests } from "./requests.ts";

export interface OwnFacts {
  /** What is known now. */
  get(): Readonly<Record<string, string>>;
  close(): void;
}

/** How often nodes are read, in milliseconds, and how many of them are looked at. */
const refreshMs = 600_000;
const page = 500;
const mostPages = 10;

/** Node's words for what Kubernetes calls otherwise. */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

export function createOwnFacts(deps: {
  requests: Pick<Requests, "json">;
  /** Of the API server. */
  kubernetes: string;
  /** What this agent can do that another may not, as far as it matters where an app is placed. */
  features: readonly string[];
  clock: Clock;
  log: Log;
}): OwnFacts {
  // The nodes' own word counts for more than the agent's, which runs on one of them, or on none.
  const architecture = architectures[process.arch] ?? process.arch;
  const features = deps.features.join(",");
  let nodes: Readonly<Record<string, string>> = {};
  const closing = new AbortController();
  let timer: Timer | undefined;

  async function read(): Promise<void> {
    try {
      nodes = summarizeNodes(await list());
    } catch (error) {
      deps.log.debug({ err: error }, "the cluster's nodes cannot be read; this agent says less of itself");
    }
    if (closing.signal.aborted) return;
    timer = deps.clock.after(refreshMs, () => void read());
    timer.unref?.();
  }

  async function list(): Promise<JsonObject[]> {
    const found: JsonObject[] = [];
    let next = "";
    for (let pages = 0; pages < mostPages; pages += 1) {
      const query = `limit=${page}${next && `&continue=${encodeURIComponent(next)}`}`;
      const answer = await deps.requests.json({ method: "GET", path: `/api/v1/nodes?${query}` }, closing.signal);
      const { items, metadata } = isJsonObject(answer) ? answer : {};
      if (Array.isArray(items)) found.push(...items.filter(isJsonObject));
      next = isJsonObject(metadata) && typeof metadata.continue === "string" ? metadata.continue : "";
      if (next === "") break;
    }
    return found;
  }

  void read();
  return {
    get: () => ({ architecture, kubernetes: deps.kubernetes, features, ...nodes }),
    close() {
      closing.abort(new Error("The agent is stopping."));
      timer?.cancel();
    },
  };
}

/** Facts by name. What differs among nodes is each of its values once, with commas between. Pure. */
export function summarizeNodes(nodes: readonly JsonObject[]): Record<string, string> {
  const usable = nodes.filter(({ spec }) => !(isJsonObject(spec) && spec.unschedulable === true));
  const labels = usable.map(({ metadata }) => {
    const found = isJsonObject(metadata) ? metadata.labels : undefined;
    return isJsonObject(found) ? found : {};
  });
  const all = (values: readonly unknown[]): string => {
    const words = values.filter((value) => typeof value === "string" && /^[\w.-]{1,63}$/.test(value));
    return [...new Set(words)].sort().join(",").slice(0, 256);
  };
  const facts = {
    nodes: nodes.length > 0 ? String(usable.length) : "",
    architecture: all(labels.map((one) => one["kubernetes.io/arch"])),
    region: all(labels.map((one) => one["topology.kubernetes.io/region"])),
    zone: all(labels.map((one) => one["topology.kubernetes.io/zone"])),
    provider: all(usable.map(({ spec }) => (isJsonObject(spec) ? providerOf(spec.providerID) : undefined))),
    cpu: total(usable, "cpu", (amount) => `${Math.floor(amount * 10) / 10}`),
    memory: total(usable, "memory", (amount) => `${Math.floor(amount / 2 ** 20)}Mi`),
  };
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== ""));
}

/** Of "aws:///eu-west-1a/i-0123" the first part. */
function providerOf(id: unknown): string | undefined {
  return typeof id === "string" ? /^([a-z0-9-]+):/.exec(id)?.[1] : undefined;
}

function total(nodes: readonly JsonObject[], name: string, text: (amount: number) => string): string {
  const amounts = nodes.flatMap(({ status }) => {
    const allocatable = isJsonObject(status) ? status.allocatable : undefined;
    const amount = isJsonObject(allocatable) ? amountOf(allocatable[name]) : undefined;
    return amount === undefined ? [] : [amount];
  });
  return amounts.length > 0 ? text(amounts.reduce((a, b) => a + b)) : "";
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** As kubelets write what they have; undefined for anything else. */
function amountOf(quantity: unknown): number | undefined {
  const found = /^(\d+(?:\.\d+)?)([A-Za-z]{0,2})$/.exec(typeof quantity === "string" ? quantity : "");
  const unit = units[found?.[2] ?? ""];
  return found && unit !== undefined ? Number(found[1]) * unit : undefined;
}
