/** What waits for a person here, and the person's word. */
import type { Clock } from "../../base/clock.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Decision, WorkloadStatus } from "../../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isConflict, isNotFound } from "../../kube/errors.ts";
import { type JsonObject, keyOf, refOf } from "../../kube/object.ts";
import { type Workload, workloads } from "../../kube/resources.ts";
import { timeText } from "../../kube/time.ts";
import type { Finding } from "../../policy/admission.ts";
import type { AdmissionDesk } from "./admission-desk.ts";
import { asideFor } from "./approval.ts";
import { isInPlace, type WorkloadBook } from "./book.ts";
import { HostError } from "./error.ts";
import { annotations, peerNamespace } from "./names.ts";
import type { Standing } from "./standing.ts";

/** An app that waits for a person here, or about which one has decided. */
export interface HeldItem {
  /** `<peer>/<name of the Workload>`. */
  readonly name: string;
  readonly peer: string;
  /** The peer's own. */
  readonly fingerprint: string;
  /** What it is called at its origin. */
  readonly origin: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly generation: number;
  };
  /** Since when it waits, or when it was decided; RFC 3339 in UTC. */
  readonly since: string;
  readonly state: "Held" | "Approved" | "Denied";
  /** The rules that hold it; of one that is decided, what they say now. */
  readonly findings: readonly Finding[];
  /** Names exactly what is asked for; to be given back with the decision. */
  readonly hash: string;
  readonly app: RemoteAppSpec;
  /** What was admitted before, when `app` is a change of it. */
  readonly running?: RemoteAppSpec;
  readonly decision?: {
    readonly by: string;
    /** RFC 3339 in UTC. */
    readonly at: string;
    readonly message: string;
    /** RFC 3339 in UTC; missing: for ever. */
    readonly until?: string;
  };
}

export interface DecisionRequest {
  /** Of the item as it was shown. */
  readonly hash: string;
  readonly verdict: "Approved" | "Denied";
  /** Who decides, as this agent's console knows them. Not told to the origin. */
  readonly by: string;
  /** For the origin and for the record. */
  readonly message?: string | undefined;
  /** For how long an approval holds, in milliseconds; as the policy says, or for ever, unless given. */
  readonly lastsMs?: number | undefined;
}

export interface Inbox {
  /** What waits, and what was decided and still counts; the oldest first. */
  list(): HeldItem[];
  get(name: string): HeldItem | undefined;
  /** Throws a HostError: "not-found" when nothing of that name waits or was decided, "changed" when it is not what was seen. */
  decide(name: string, request: DecisionRequest, signal: AbortSignal): Promise<HeldItem>;
}

export interface InboxDeps {
  client: Pick<KubeClient, "get" | "mergePatch">;
  book: WorkloadBook;
  desk: Pick<AdmissionDesk, "ready" | "standing" | "lastStanding" | "policyOf" | "hashOf">;
  /** The status that was found last. */
  statusOf(key: string): WorkloadStatus | undefined;
  /** A person has decided. */
  onDecision(item: HeldItem, request: DecisionRequest): void;
  clock: Clock;
}

/** A decision is tried so often when others change the Workload meanwhile. */
const attempts = 5;
/** The longest that an approval holds when somebody bounds it: ten years, in milliseconds. */
const longestMs = 10 * 365 * 86_400_000;

export function createInbox(deps: InboxDeps): Inbox {
  const { client, book, desk, clock } = deps;

  function itemOf(
    workload: Workload,
    standing = isInPlace(workload) ? desk.standing(keyOf(workload)) : undefined,
  ): HeldItem | undefined {
    const state = standing && stateOf(standing);
    if (!standing || !state || !workload.spec.app) return undefined;
    const { origin, app, running, decision } = workload.spec;
    const { peer = "", fingerprint = "", namespace = "", name = "", uid = "", generation = 0 } = origin ?? {};
    const status = deps.statusOf(keyOf(workload)) ?? workload.status;
    const isAbout = decision?.hash === standing.hash;
    const since = isAbout && state !== "Held" ? decision.at : status?.admission?.decidedAt;
    return {
      name: nameOf(workload),
      peer,
      fingerprint,
      origin: { namespace, name, uid, generation },
      since: since ?? workload.metadata.creationTimestamp ?? "",
      state,
      findings: standing.verdict.findings,
      hash: standing.hash,
      app,
      ...(running && !standing.isSame ? { running } : {}),
      ...(isAbout ? { decision: shown(decision) } : {}),
    };
  }

  function listed(workload: Workload): HeldItem | undefined {
    const standing = isInPlace(workload) ? desk.lastStanding(keyOf(workload)) : undefined;
    return standing && itemOf(workload, standing);
  }

  function find(name: string): Workload | undefined {
    const slash = name.indexOf("/");
    const [peer, object] = [name.slice(0, slash), name.slice(slash + 1)];
    const found = book.latest.get(keyOf({ namespace: peerNamespace(peer), name: object }));
    return found && isInPlace(found) ? found : undefined;
  }

  async function decide(name: string, request: DecisionRequest, signal: AbortSignal): Promise<HeldItem> {
    await desk.ready(signal);
    for (let attempt = 1; ; attempt += 1) {
      const known = find(name);
      const item = known && itemOf(known);
      if (!item) throw notFound(name);
      const live = await client.get(workloads, refOf(known), signal);
      if (!live || live.metadata.uid !== known.metadata.uid) throw notFound(name);
      const app = live.spec.app;
      if (!app || desk.hashOf(app) !== request.hash) throw changed(name);
      try {
        const patch = patchFor(live, item, request);
        book.latest.put(await client.mergePatch(workloads, refOf(live), patch, signal));
      } catch (error) {
        if (isNotFound(error)) throw notFound(name);
        if (!isConflict(error) || attempt === attempts) throw error;
        continue;
      }
      const decided = itemOf(find(name) ?? live) ?? item;
      deps.onDecision(decided, request);
      return decided;
    }
  }

  /** With UID and version it lands on exactly what was looked at. */
  function patchFor(live: Workload, item: HeldItem, request: DecisionRequest): JsonObject {
    const { uid = "", resourceVersion = "" } = live.metadata;
    const { running } = live.spec;
    const now = clock.now();
    const policy = desk.policyOf({ peer: item.peer, fingerprint: item.fingerprint });
    const lastsMs = request.verdict === "Approved" ? (request.lastsMs ?? policy.approvalLastsMs) : undefined;
    const aside = asideFor(live, running && desk.hashOf(running), request.hash);
    return {
      metadata: { uid, resourceVersion, annotations: { [annotations.decisionAside]: aside } },
      spec: {
        decision: {
          hash: request.hash,
          verdict: request.verdict,
          by: request.by,
          at: timeText(now),
          message: request.message || null,
          until: lastsMs === undefined ? null : timeText(now + Math.min(lastsMs, longestMs)),
        },
      },
    };
  }

  return {
    list: () =>
      [...book.latest.list()]
        .flatMap((workload) => listed(workload) ?? [])
        .sort((a, b) => (a.since === b.since ? compare(a.name, b.name) : compare(a.since, b.since))),
    get(name) {
      const found = find(name);
      return found && itemOf(found);
    },
    decide,
  };
}

/** Undefined for what is none of a person's business: it runs, or is refused, by rule alone. */
function stateOf(standing: Standing): HeldItem["state"] | undefined {
  if (standing.verdict.decision === "hold") return "Held";
  if (standing.decision?.verdict === "Denied") return "Denied";
  // An approval that a rule overrules still stands, and the operator sees why nothing runs by it.
  return standing.decision?.verdict === "Approved" ? "Approved" : undefined;
}

function nameOf({ metadata, spec }: Workload): string {
  return `${spec.origin?.peer ?? ""}/${metadata.name ?? ""}`;
}

function shown({ by = "", at = "", message = "", until }: Decision): NonNullable<HeldItem["decision"]> {
  return { by, at, message, ...(until ? { until } : {}) };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function notFound(name: string): HostError {
  return new HostError("not-found", `nothing called "${name}" waits here or was decided; see: fairlead inbox list`);
}

function changed(name: string): HostError {
  const message = `what ${name} asks for was changed since it was shown; look at it again: fairlead inbox get ${name}`;
  return new HostError("changed", message);
}
