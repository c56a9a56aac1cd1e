/** One peer's namespace and what guards it there: made, watched and put back. */
import { abortable } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { keyOf, refOf } from "../../kube/object.ts";
import { createReflector } from "../../kube/reflector.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import { type LimitRange, limitRanges, networkPolicies, resourceQuotas } from "../../kube/resources.ts";
import { createLatest, type Latest } from "../latest.ts";
import { type Applied, differences, type Keepable } from "./drift.ts";
import { type GuardDrafts, guardName } from "./guards-drafts.ts";
import { type Chore, choreOf, repairGapMs } from "./keeper.ts";
import { labels } from "./names.ts";

export interface Ward {
  /**
   * Resolves when all is in place as the drafts say, in the order of the calls. Makes no request when nothing has changed.
   * Rejects with a `KubeError`.
   */
  keep(drafts: GuardDrafts, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface WardDeps {
  client: Pick<KubeClient, "list" | "watch" | "apply" | "update" | "delete">;
  namespace: string;
  /** Somebody changed something, and `keep` has to put it back. */
  onDrift(): void;
  clock: Clock;
  log: Log;
}

/** In the order in which they are made: a quota asks of each pod what the LimitRange gives to those that do not say. */
const parts = ["limits", "quota", "network"] as const;

export function openWard(deps: WardDeps): Ward {
  const { client, namespace, clock, log } = deps;
  const applied: Partial<Record<(typeof parts)[number], Applied>> = {};
  let wanted: GuardDrafts | undefined;
  let putBackAt = Number.NEGATIVE_INFINITY;
  /** Resolves when all who came before have done. */
  let turn: Promise<void> = Promise.resolve();
  /** Who is at work or waits for a turn. */
  let callers = 0;
  const found = { limits: watch(limitRanges), quota: watch(resourceQuotas), network: watch(networkPolicies) };

  function watch<T extends Keepable>(kind: ResourceKind<T>): Latest<T> {
    const latest = createLatest(createReflector({ client, kind, namespace, clock, log }));
    latest.subscribe((_key, object, before) => {
      if (object && object.metadata.uid !== before?.metadata.uid && !isOurs(object)) note(kind, object);
      // What is being made is looked at again when it is done.
      if (callers === 0) tellDrift();
    });
    return latest;
  }

  /** Other people's NetworkPolicies can only open more, and nobody but the operator's own people may make any. */
  function note<T extends Keepable>(kind: ResourceKind<T>, object: T): void {
    const fields = { kind: kind.kind, object: keyOf(object) };
    if (kind.plural === networkPolicies.plural)
      log.warn(
        fields,
        "a NetworkPolicy beside the agent's opens more for a peer's pods than their policy; it is left alone",
      );
    else log.info(fields, "a peer's namespace has bounds beside those of its policy; they are left alone");
  }

  function tellDrift(): void {
    if (wanted && isDue(wanted)) deps.onDrift();
  }

  function choresOf({ limits, quota, network }: GuardDrafts): Partial<Record<(typeof parts)[number], Chore>> {
    return {
      ...(limits && {
        limits: choreOf(deps, { kind: limitRanges, manifest: limits, latest: found.limits, applied: applied.limits }),
      }),
      // The amounts of a quota are a map, to which anybody may add; all else that is stated here is applied as a whole.
      quota: choreOf(deps, {
        kind: resourceQuotas,
        manifest: quota,
        latest: found.quota,
        applied: applied.quota,
        additions: differences,
        isExpendable: true,
      }),
      network: choreOf(deps, {
        kind: networkPolicies,
        manifest: network,
        latest: found.network,
        applied: applied.network,
      }),
    };
  }

  /** What is left of limits that the policy no longer has. */
  function leftover({ limits }: GuardDrafts): LimitRange | undefined {
    const left = limits ? undefined : found.limits.get(`${namespace}/${guardName}`);
    return left && isOurs(left) ? left : undefined;
  }

  function isDue(drafts: GuardDrafts): boolean {
    return leftover(drafts) !== undefined || Object.values(choresOf(drafts)).some((chore) => chore.isDue);
  }

  async function settle(drafts: GuardDrafts, signal: AbortSignal): Promise<void> {
    if (Object.values(choresOf(drafts)).some(({ isRepair }) => isRepair)) {
      const waitMs = putBackAt + repairGapMs - clock.monotonic();
      if (waitMs > 0) await clock.sleep(waitMs, signal);
      putBackAt = clock.monotonic();
      log.info({ namespace }, "somebody changed what guards a peer's namespace; it is put back");
    }
    wanted = drafts;
    const chores = choresOf(drafts);
    for (const part of parts) {
      const chore = chores[part];
      if (chore?.isDue) applied[part] = await chore.do(signal);
    }
    const left = leftover(drafts);
    if (left) await client.delete(limitRanges, refOf(left), { uid: left.metadata.uid }, signal);
  }

  return {
    async keep(drafts, signal) {
      const before = turn;
      const { promise, resolve } = Promise.withResolvers<void>();
      turn = promise;
      callers += 1;
      try {
        await abortable(before, signal);
        await settle(drafts, signal);
      } finally {
        callers -= 1;
        // Who gave up waiting must not let the next one in before its time.
        void before.then(resolve);
        if (callers === 0) tellDrift();
      }
    },
    async close() {
      wanted = undefined;
      await Promise.all(Object.values(found).map((latest) => latest.close()));
    },
  };
}

function isOurs({ metadata }: Keepable): boolean {
  if (metadata.labels?.[labels.managedBy] !== "fairlead") return false;
  return metadata.name === guardName || (metadata.ownerReferences ?? []).some(({ kind }) => kind === "Workload");
}
