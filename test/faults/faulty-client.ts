/** A Kubernetes client whose n-th call fails, in one of the ways in which an API server fails. */
import type { KubeClient, WatchEvent, WatchOptions } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { ResourceKind } from "../../src/kube/resource-kind.ts";

/** "lost answer": the call is carried out, and the answer never comes. "cut": a watch breaks off at its first event. */
export type Fault = "500" | "409" | "410" | "429" | "time-out" | "lost answer" | "cut";

export const faults: readonly Fault[] = ["500", "409", "410", "429", "time-out", "lost answer", "cut"];

export interface FaultPlan {
  /** Called before each call with its number, from 0, and what it is ("apply workloads"); what it returns goes wrong. */
  next(call: string): Fault | undefined;
}

/** Fails call number `index` with `fault`, counted over all clients that share the plan, and keeps the names of all calls. */
export function failOnce(index: number, fault: Fault): FaultPlan & { readonly calls: string[] } {
  const calls: string[] = [];
  return {
    calls,
    next(call) {
      calls.push(call);
      return calls.length - 1 === index ? fault : undefined;
    },
  };
}

export function faultyClient(client: KubeClient, plan: FaultPlan): KubeClient {
  async function through<T>(call: string, run: () => Promise<T>): Promise<T> {
    const fault = plan.next(call);
    if (fault === undefined) return run();
    if (fault === "lost answer" || fault === "cut") await run();
    throw errorOf(fault, call);
  }

  return {
    get: (kind, ref, signal) => through(`get ${kind.plural}`, () => client.get(kind, ref, signal)),
    list: (kind, o, signal) => through(`list ${kind.plural}`, () => client.list(kind, o, signal)),
    create: (kind, object, signal) => through(`create ${kind.plural}`, () => client.create(kind, object, signal)),
    update: (kind, object, signal) => through(`update ${kind.plural}`, () => client.update(kind, object, signal)),
    apply: (kind, object, o, signal) => through(`apply ${kind.plural}`, () => client.apply(kind, object, o, signal)),
    applyStatus: (kind, object, o, signal) =>
      through(`applyStatus ${kind.plural}`, () => client.applyStatus(kind, object, o, signal)),
    mergePatch: (kind, ref, patch, signal) =>
      through(`mergePatch ${kind.plural}`, () => client.mergePatch(kind, ref, patch, signal)),
    delete: (kind, ref, o, signal) => through(`delete ${kind.plural}`, () => client.delete(kind, ref, o, signal)),
    async *watch<T>(kind: ResourceKind<T>, o: WatchOptions, signal: AbortSignal): AsyncGenerator<WatchEvent<T>> {
      const call = `watch ${kind.plural}`;
      const fault = plan.next(call);
      if (fault !== undefined && fault !== "cut" && fault !== "lost answer") throw errorOf(fault, call);
      for await (const event of client.watch(kind, o, signal)) {
        // "cut" loses the event, "lost answer" comes after it.
        if (fault === "cut") throw errorOf(fault, call);
        yield event;
        if (fault === "lost answer") throw errorOf(fault, call);
      }
    },
  };
}

function errorOf(fault: Fault, call: string): KubeError {
  const message = `Could not ${call}: planned fault "${fault}".`;
  switch (fault) {
    case "500":
      return new KubeError({ status: 500, reason: "InternalError", message });
    case "409":
      return new KubeError({ status: 409, reason: "Conflict", message });
    case "410":
      return new KubeError({ status: 410, reason: "Expired", message });
    case "429":
      return new KubeError({ status: 429, reason: "TooManyRequests", message, retryAfterMs: 1000 });
    case "time-out":
    case "lost answer":
      return new KubeError({ status: 0, reason: "TimedOut", message });
    case "cut":
      return new KubeError({ status: 0, reason: "Cut", message });
  }
}
