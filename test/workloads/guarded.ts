/** A host whose peers' namespaces are guarded: on the sandbox's API server, with policies that a test can change. */
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { systemClock as clock } from "../../src/base/clock.ts";
import type { Log } from "../../src/base/log.ts";
import { silentLog } from "../../src/base/log.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { connectKube } from "../../src/kube/connect.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { peerPolicies } from "../../src/kube/resources.ts";
import { effectivePolicy } from "../../src/policy/effective.ts";
import type { EffectivePolicy } from "../../src/policy/effective-policy.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { createGuardedNamespaces, type GuardedNamespaces } from "../../src/workloads/host/guarded-namespaces.ts";
import type { AgentPlace } from "../../src/workloads/host/guards-facts.ts";
import { FakePeering } from "./town.ts";

export const place: AgentPlace = {
  inCluster: true,
  namespace: "fairlead-system",
  server: "https://10.96.0.1:443",
  nameservers: ["10.96.0.10"],
};

export function policyOf(workloads: JsonObject): EffectivePolicy {
  const policy = peerPolicies.parse({ metadata: { name: "all", namespace: "fairlead-system" }, spec: { workloads } });
  return effectivePolicy([policy], { name: "tokyo", labels: {} });
}

/** One policy for all peers. */
export class FakePolicies {
  readonly #listeners = new Set<(fingerprint: string) => void>();
  #present: EffectivePolicy;
  /** Whose fingerprints are no peer's any more. */
  readonly gone = new Set<string>();

  constructor(workloads: JsonObject) {
    this.#present = policyOf(workloads);
  }

  readonly of = (fingerprint: string): EffectivePolicy | undefined =>
    this.gone.has(fingerprint) ? undefined : this.#present;
  readonly synced = async (): Promise<void> => undefined;
  readonly subscribe = (fn: (fingerprint: string) => void): (() => void) => {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  };

  set(workloads: JsonObject, ...fingerprints: readonly string[]): void {
    this.#present = policyOf(workloads);
    for (const fn of this.#listeners) for (const fingerprint of fingerprints) fn(fingerprint);
  }
}

/** Remembers the warnings. */
export function listeningLog(): { log: Log; warnings: { fields: object; message: string }[] } {
  const warnings: { fields: object; message: string }[] = [];
  const log: Log = {
    ...silentLog,
    warn: (fields, message) => void warnings.push({ fields, message }),
    child: () => log,
  };
  return { log, warnings };
}

export interface Host {
  client: KubeClient;
  peering: FakePeering;
  policies: FakePolicies;
  warnings: { fields: object; message: string }[];
  /** Starts what guards namespaces; a test may end and start it again. */
  start(atHost?: (client: KubeClient) => KubeClient): GuardedNamespaces;
}

export async function startHost(t: TestContext, workloads: JsonObject): Promise<Host> {
  const { log, warnings } = listeningLog();
  const sandbox = await createSandbox({ log: silentLog, processes: false });
  const kubeconfig = join(tmpdir(), `fairlead-guards-${process.pid}-${Math.random().toString(36).slice(2)}.yaml`);
  await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  const kube = await connectKube({ kubeconfig, clock });
  const started: GuardedNamespaces[] = [];
  t.after(async () => {
    for (const one of started) await one.close();
    kube.close();
    await sandbox.close();
    await rm(kubeconfig);
  });
  const { client } = kube;
  const peering = new FakePeering(clock);
  peering.set("tokyo", {});
  const policies = new FakePolicies(workloads);
  return {
    client,
    peering,
    policies,
    warnings,
    start(atHost = (same) => same) {
      const onGuarded = (): void => undefined;
      const deps = { client: atHost(client), roster: peering, policies, tenantRole: undefined, place, onGuarded };
      const guarded = createGuardedNamespaces({ ...deps, clock, log });
      started.push(guarded);
      return guarded;
    },
  };
}
