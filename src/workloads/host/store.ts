/** What this cluster holds for one peer, as intent wants it: Workloads in the peer's namespace. */
import { create } from "@bufbuild/protobuf";
import type { Clock } from "../../base/clock.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { WorkloadSpecSchema, type WorkloadStatus } from "../../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import type { Held, HeldStore } from "../../intent/held-store.ts";
import type { Refusal, Wish } from "../../intent/wish.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isNotFound, KubeError } from "../../kube/errors.ts";
import { type Draft, keyOf } from "../../kube/object.ts";
import { type Workload, workloads } from "../../kube/resources.ts";
import { timeText } from "../../kube/time.ts";
import { admit } from "../../policy/admission.ts";
import { specText, type WorkloadBook } from "./book.ts";
import { annotations, labels, objectName } from "./names.ts";
import type { PeerNamespaces, Tenant } from "./namespace.ts";
import { parseSpec } from "./spec.ts";
import { statusForOrigin } from "./status.ts";

export interface StoreDeps {
  client: Pick<KubeClient, "apply" | "delete" | "mergePatch">;
  book: WorkloadBook;
  namespaces: PeerNamespaces;
  /** What the peer may do here now; a grant that went or came since the call began counts. */
  grants(fingerprint: string): readonly string[];
  /** The status that was found last, and news of it. */
  statusOf(key: string): WorkloadStatus | undefined;
  subscribeStatus(fn: (key: string) => void): () => void;
  clock: Clock;
}

export function createHeldStore(deps: StoreDeps, tenant: Tenant): HeldStore {
  const { client, book } = deps;
  const mine = (): ReadonlyMap<string, Workload> => book.of(tenant.fingerprint);

  function heldOf(uid: string, workload: Workload): Held {
    const origin = workload.spec.origin;
    const orphanedSince = workload.metadata.annotations?.[annotations.orphanedSince];
    return {
      uid,
      generation: origin?.generation ?? 0,
      hash: workload.metadata.annotations?.[annotations.wishHash] ?? "",
      namespace: origin?.namespace ?? "",
      name: origin?.name ?? "",
      spec: specText(workload),
      status: statusForOrigin(workload, deps.statusOf(keyOf(workload)) ?? workload.status),
      ...(orphanedSince === undefined ? {} : { orphanedSince }),
    };
  }

  async function put(wish: Wish, signal: AbortSignal): Promise<"done" | "later" | Refusal> {
    const parsed = parseSpec(wish.spec);
    if (!parsed.ok) return parsed.refusal;
    const verdict = admit({ app: parsed.app }, { peer: tenant.peer, grants: deps.grants(tenant.fingerprint) });
    if (verdict.decision !== "admit") {
      return {
        reason: "Denied",
        message: `${verdict.findings.map(({ message }) => message).join("; ")}.`,
        violations: verdict.findings,
      };
    }
    const known = mine().get(wish.uid) ?? adoptable(wish);
    if (known?.metadata.deletionTimestamp) return "later";
    const claim = await deps.namespaces.claim(tenant, signal);
    if (!claim.ok) return { reason: claim.reason, message: `${claim.message}.`, violations: [] };
    const draft = draftOf(wish, parsed.app, {
      namespace: claim.namespace,
      name: known?.metadata.name ?? objectName(wish),
    });
    const other = book.latest.get(keyOf(draft));
    if (other && other.metadata.uid !== known?.metadata.uid) return nameTaken(draft.metadata.name ?? "");
    try {
      book.latest.put(await client.apply(workloads, draft, { force: true }, signal));
      return "done";
    } catch (error) {
      return judge(error, tenant);
    }
  }

  /** An orphan that this wish takes over, with what it runs. */
  function adoptable(wish: Wish): Workload | undefined {
    const orphan = wish.adopts === undefined ? undefined : mine().get(wish.adopts);
    return orphan?.metadata.annotations?.[annotations.orphanedSince] === undefined ? undefined : orphan;
  }

  function draftOf(wish: Wish, app: RemoteAppSpec, at: { namespace: string; name: string }): Draft<Workload> {
    const { namespace, name, uid, generation } = wish;
    return {
      metadata: {
        ...at,
        labels: { [labels.managedBy]: "fairlead", [labels.peer]: tenant.peer },
        annotations: { [annotations.wishHash]: wish.hash },
      },
      spec: create(WorkloadSpecSchema, {
        origin: { peer: tenant.peer, fingerprint: tenant.fingerprint, namespace, name, uid, generation },
        app,
      }),
    };
  }

  /** Trouble that will not pass by trying again is an answer. */
  function judge(error: unknown, { peer }: Tenant): Refusal {
    if (isNotFound(error) || (error instanceof KubeError && error.status === 403)) deps.namespaces.doubt(peer);
    const isInvalid = error instanceof KubeError && (error.status === 422 || error.status === 400);
    if (!isInvalid) throw error;
    const violations = error.fields.map(({ field, message }) => ({
      field: field.replace(/^spec\.app\./, ""),
      rule: "schema",
      message,
    }));
    return { reason: "Invalid", message: `The host's cluster refuses: ${error.message}`, violations };
  }

  return {
    ready: (signal) => book.latest.synced(signal),
    *list() {
      for (const [uid, workload] of mine()) yield heldOf(uid, workload);
    },
    get(uid) {
      const workload = mine().get(uid);
      return workload && heldOf(uid, workload);
    },
    count: () => mine().size,
    bytes: () => book.specBytes(tenant.fingerprint),
    put,
    async remove(uid, signal) {
      const workload = mine().get(uid);
      if (workload && !workload.metadata.deletionTimestamp) await deleteWorkload(client, workload, signal);
    },
    async setOrphan(uid, orphan, signal) {
      const workload = mine().get(uid);
      const since = workload?.metadata.annotations?.[annotations.orphanedSince];
      if (!workload || (since !== undefined) === orphan) return;
      const { namespace, name = "", uid: self = "" } = workload.metadata;
      const mark = { [annotations.orphanedSince]: orphan ? timeText(deps.clock.now()) : null };
      // With the UID a patch never lands on another object of the same name.
      const patch = { metadata: { uid: self, annotations: mark } };
      try {
        book.latest.put(await client.mergePatch(workloads, { namespace, name }, patch, signal));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
    subscribe(fn) {
      const ends = [
        book.subscribe((fingerprint, uid) => {
          if (fingerprint === tenant.fingerprint) fn(uid);
        }),
        deps.subscribeStatus((key) => {
          const origin = book.latest.get(key)?.spec.origin;
          if (origin?.fingerprint === tenant.fingerprint) fn(origin.uid ?? "");
        }),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  };
}

/** With all that belongs to it: the Workload is gone when its Deployment, Service and pods are. */
export async function deleteWorkload(
  client: Pick<KubeClient, "delete">,
  workload: Workload,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name = "", uid } = workload.metadata;
  await client.delete(workloads, { namespace, name }, { uid, propagation: "Foreground" }, signal);
}

function nameTaken(name: string): Refusal {
  const message = `Another app of yours is called ${name} at the host; delete it or give this one another name.`;
  return { reason: "NameTaken", message, violations: [] };
}
