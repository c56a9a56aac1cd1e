/** What this cluster holds for one peer, as intent wants it: Workloads in the peer's namespace. */
import { create } from "@bufbuild/protobuf";
import type { Clock } from "../../base/clock.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { WorkloadSpecSchema, type WorkloadStatus } from "../../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import type { Held, HeldStore } from "../../intent/held-store.ts";
import type { Refusal, Wish } from "../../intent/wish.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isConflict, isNotFound, KubeError } from "../../kube/errors.ts";
import { type Draft, keyOf, type ObjectRef, refOf } from "../../kube/object.ts";
import { type Workload, workloads } from "../../kube/resources.ts";
import { timeText } from "../../kube/time.ts";
import type { ContentHash } from "../content-hash.ts";
import type { AdmissionDesk, Answer } from "./admission-desk.ts";
import type { AdmissionRecord } from "./admission-record.ts";
import { attachmentFaults, withHashes, withoutHashes } from "./attachments.ts";
import { specText, type WorkloadBook } from "./book.ts";
import type { Contents } from "./contents.ts";
import { annotations, labels, objectName, peerNamespace } from "./names.ts";
import type { PeerNamespaces, Tenant } from "./namespace.ts";
import { invalid, parseSpec } from "./spec.ts";
import { changeChecks } from "./spec-change.ts";
import type { Standing } from "./standing.ts";
import { statusForOrigin } from "./status.ts";
import { sentence } from "./verdict-words.ts";

export interface StoreDeps {
  client: Pick<KubeClient, "get" | "apply" | "delete" | "mergePatch">;
  book: WorkloadBook;
  namespaces: PeerNamespaces;
  desk: Pick<AdmissionDesk, "ready" | "ask" | "hashOf">;
  record: Pick<AdmissionRecord, "removed" | "refused" | "invalid">;
  contents: Pick<Contents, "store" | "lacks" | "bytesOf" | "bytesIn">;
  /** Names what comes with a wish, under a key of this agent's. */
  hashContent: ContentHash;
  /** The status that was found last, and news of it. */
  statusOf(key: string): WorkloadStatus | undefined;
  subscribeStatus(fn: (key: string) => void): () => void;
  clock: Clock;
}

/** A wish is judged and written so often when others change its Workload meanwhile. */
const attempts = 4;

export function createHeldStore(deps: StoreDeps, tenant: Tenant): HeldStore {
  const { client, book } = deps;
  const mine = (): ReadonlyMap<string, Workload> => book.of(tenant.fingerprint);

  function heldOf(uid: string, workload: Workload): Held {
    const { origin, app } = workload.spec;
    const orphanedSince = workload.metadata.annotations?.[annotations.orphanedSince];
    return {
      uid,
      generation: origin?.generation ?? 0,
      hash: workload.metadata.annotations?.[annotations.wishHash] ?? "",
      namespace: origin?.namespace ?? "",
      name: origin?.name ?? "",
      spec: specText(app ? { ...workload, spec: { ...workload.spec, app: withoutHashes(app) } } : workload),
      attachedBytes: deps.contents.bytesOf(workload),
      lacks: deps.contents.lacks(workload),
      status: statusForOrigin(workload, deps.statusOf(keyOf(workload)) ?? workload.status),
      ...(orphanedSince === undefined ? {} : { orphanedSince }),
    };
  }

  async function put(wish: Wish, signal: AbortSignal): Promise<"done" | "later" | Refusal> {
    const parsed = parseSpec(wish.spec);
    if (!parsed.ok) {
      deps.record.invalid({ ...nameOf(wish), ...tenant }, parsed.refusal);
      return parsed.refusal;
    }
    const { attachments = [] } = wish;
    const faults = attachmentFaults(parsed.app, attachments);
    if (faults.length > 0) {
      const refusal = invalid(faults);
      deps.record.invalid({ ...nameOf(wish), ...tenant }, refusal);
      return refusal;
    }
    // From here on all that is decided is about what came as well.
    const app = withHashes(parsed.app, attachments, deps.hashContent);
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await tryToPut(wish, app, signal);
      if (outcome !== "changed") return outcome;
      if (attempt === attempts) throw new Error(`${keyOf(placeOf(wish))} is being changed by others all the time`);
    }
  }

  /** "changed": somebody changed the Workload meanwhile, so what was judged may not be what would be written. */
  async function tryToPut(
    wish: Wish,
    app: RemoteAppSpec,
    signal: AbortSignal,
  ): Promise<"done" | "later" | "changed" | Refusal> {
    const known = mine().get(wish.uid) ?? adoptable(wish);
    if (known?.metadata.deletionTimestamp) return "later";
    const at = known ? refOf(known) : placeOf(wish);
    const changed = known?.spec.app ? changeChecks(known.spec.app, app) : [];
    if (changed.length > 0) {
      const refusal = invalid(changed);
      deps.record.invalid({ ...nameOf(wish), ...tenant }, refusal);
      return refusal;
    }
    const other = book.latest.get(keyOf(at));
    if (other && other.metadata.uid !== known?.metadata.uid) return nameTaken(at.name);
    const answer = deps.desk.ask(tenant, { key: keyOf(at), known }, app);
    const { standing } = answer;
    // What is held already is never refused: it stays as it is, and its status says how it stands.
    const isHeld = known?.spec.app !== undefined && deps.desk.hashOf(known.spec.app) === standing.hash;
    if (standing.verdict.decision === "deny" && standing.decision?.verdict !== "Denied" && !isHeld) {
      deps.record.refused({ ...nameOf(wish), ...tenant }, standing);
      return refusalOf(standing);
    }
    return write(wish, { app, known, at, answer }, signal);
  }

  async function write(
    wish: Wish,
    o: { app: RemoteAppSpec; known: Workload | undefined; at: ObjectRef; answer: Answer },
    signal: AbortSignal,
  ): Promise<"done" | "changed" | Refusal> {
    const { known, answer } = o;
    // What a failed write did nobody knows, until the API server has said that it refused it.
    let outcome: "over" | "unknown" = "unknown";
    try {
      const claim = await deps.namespaces.claim(tenant, signal);
      if (!claim.ok) {
        outcome = "over";
        return { reason: claim.reason, message: `${claim.message}.`, violations: [] };
      }
      const { attachments = [] } = wish;
      // Before the Workload names it, and for one that is new at least tried: what is refused leaves nothing behind.
      const draft = draftOf(wish, o);
      const refusal = await deps.contents.store(known ?? workloads.parse(workloads.format(draft)), attachments, signal);
      if (refusal) {
        outcome = "over";
        return refusal;
      }
      const stored = await client.apply(workloads, draft, { force: true }, signal);
      book.latest.put(stored);
      outcome = "over";
      return known ? "done" : ((await deps.contents.store(stored, attachments, signal)) ?? "done");
    } catch (error) {
      if (error instanceof KubeError && error.status >= 400 && error.status < 500) outcome = "over";
      if (known && (isConflict(error) || isNotFound(error))) {
        await readAgain(known, signal);
        return "changed";
      }
      return judge(error, tenant);
    } finally {
      answer.settle(outcome);
    }
  }

  async function readAgain(known: Workload, signal: AbortSignal): Promise<void> {
    const live = await client.get(workloads, refOf(known), signal);
    if (live) book.latest.put(live);
  }

  function placeOf(wish: Wish): ObjectRef {
    return { namespace: peerNamespace(tenant.peer), name: objectName(wish) };
  }

  /** An orphan that this wish takes over, with what it runs. */
  function adoptable(wish: Wish): Workload | undefined {
    const orphan = wish.adopts === undefined ? undefined : mine().get(wish.adopts);
    return orphan?.metadata.annotations?.[annotations.orphanedSince] === undefined ? undefined : orphan;
  }

  /**
   * All that the agent says of the spec, in one write: what is asked for, and what may run. It is written on what was judged
   * and on nothing newer, so that an edit or a decision that came meanwhile is never overruled by an older answer.
   */
  function draftOf(
    wish: Wish,
    o: { app: RemoteAppSpec; known: Workload | undefined; at: ObjectRef; answer: Answer },
  ): Draft<Workload> {
    const { app, known } = o;
    const { uid, resourceVersion } = known?.metadata ?? {};
    const running = o.answer.standing.verdict.decision === "admit" ? app : known?.spec.running;
    return {
      metadata: {
        namespace: peerNamespace(tenant.peer),
        name: o.at.name,
        ...(uid ? { uid } : {}),
        ...(resourceVersion ? { resourceVersion } : {}),
        labels: { [labels.managedBy]: "fairlead", [labels.peer]: tenant.peer },
        annotations: { [annotations.wishHash]: wish.hash },
      },
      spec: create(WorkloadSpecSchema, {
        origin: { ...nameOf(wish), ...tenant, ...(wish.leaseSeconds ? { leaseSeconds: wish.leaseSeconds } : {}) },
        app,
        ...(running ? { running } : {}),
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
    ready: (signal) => deps.desk.ready(signal),
    *list() {
      for (const [uid, workload] of mine()) yield heldOf(uid, workload);
    },
    get(uid) {
      const workload = mine().get(uid);
      return workload && heldOf(uid, workload);
    },
    count: () => mine().size,
    bytes: () => book.specBytes(tenant.fingerprint) + deps.contents.bytesIn(peerNamespace(tenant.peer)),
    put,
    refused(wish, refusal) {
      deps.record.invalid({ ...nameOf(wish), ...tenant }, refusal);
    },
    async remove(uid, signal) {
      const workload = mine().get(uid);
      if (!workload || workload.metadata.deletionTimestamp) return;
      await deleteWorkload(client, workload, signal);
      deps.record.removed(workload);
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

function nameOf({ namespace, name, uid, generation }: Wish): Pick<Wish, "namespace" | "name" | "uid" | "generation"> {
  return { namespace, name, uid, generation };
}

function refusalOf({ verdict }: Standing): Refusal {
  return { reason: "Denied", message: sentence(verdict.findings), violations: verdict.findings };
}

function nameTaken(name: string): Refusal {
  const message = `Another app of yours is called ${name} at the host; delete it or give this one another name.`;
  return { reason: "NameTaken", message, violations: [] };
}
