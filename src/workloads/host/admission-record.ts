/**
 * The audit of admission: what was decided about each wish and what became of what runs, each once when it changes, however
 * often it is looked at.
 */
import type { AuditEntry } from "../../audit/entry.ts";
import type { Clock } from "../../base/clock.ts";
import type { WorkloadStatus } from "../../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import type { Refusal } from "../../intent/wish.ts";
import type { Workload } from "../../kube/resources.ts";
import { createStreamRecord } from "../../peering/stream-record.ts";
import type { DecisionRequest, HeldItem } from "./inbox.ts";
import type { Standing } from "./standing.ts";
import { isStoppedBy } from "./status.ts";
import { sentence, verdictWord } from "./verdict-words.ts";

export interface AdmissionRecord {
  /** How a stored Workload stands; `before` is the status that was known last. */
  stands(workload: Workload, standing: Standing, before: WorkloadStatus | undefined): void;
  /** A wish was refused, and nothing of it is stored. */
  refused(wish: WishName, standing: Standing): void;
  /** A wish cannot be understood, so that no rule was asked about it. */
  invalid(wish: WishName, refusal: Refusal): void;
  /** A person decided. */
  decided(item: HeldItem, request: DecisionRequest): void;
  /** A peer had an app of its own deleted. */
  removed(workload: Workload): void;
  /** A peer had an orphan of its own deleted; with a refusal, it was not. */
  orphanDeleted(
    caller: { peer: string; fingerprint: string },
    uid: string,
    refusal?: { rule: string; message: string },
  ): void;
  /** Writes down what was only counted so far. */
  close(): void;
}

/** Names a wish as the origin does. */
export interface WishName {
  /** Our name for the origin, and its own. */
  readonly peer: string;
  readonly fingerprint: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
}

/** How many wishes are remembered, so that an answer that is given again is not written down again. */
const mostWishes = 20_000;

const verdicts = { Admitted: "allowed", Held: "held", Denied: "denied" } as const;

export function createAdmissionRecord(deps: {
  audit: { record(entry: AuditEntry): unknown };
  clock: Clock;
}): AdmissionRecord {
  const { audit } = deps;
  // A peer decides how many wishes there are, and must not push the others' entries out of the record by that.
  const counted = createStreamRecord(deps);
  /** What was recorded last, by who asked and the UID: of what is stored, and of a wish that was refused beside it. */
  const standings = new Map<string, { answer: string; isStopped: boolean }>();
  const refusals = new Map<string, string>();

  function admission(wish: WishName, standing: Standing): void {
    const { findings, message } = standing.verdict;
    const why = findings.length > 0 ? sentence(findings) : message;
    counted.note(wish.fingerprint, {
      action: "app.admit",
      ...about(wish),
      verdict: verdicts[verdictWord(standing)],
      ...(findings[0] ? { rule: findings[0].rule } : {}),
      ...(why ? { message: why } : {}),
    });
  }

  return {
    stands(workload, standing, before) {
      const wish = wishOf(workload);
      const answer = answerOf(wish, standing);
      // After a start of this agent the status tells what was recorded before it.
      const isKnownVerdict = before?.admission?.verdict === verdictWord(standing);
      const last = standings.get(keyOf(wish)) ?? {
        answer: isKnownVerdict ? answer : "",
        isStopped: isStoppedBy(before),
      };
      if (last.answer !== answer) admission(wish, standing);
      if (last.isStopped !== standing.isStopped) {
        const why = sentence(standing.violations);
        const [rule] = standing.violations;
        if (standing.isStopped) {
          const entry = { action: "app.stop", ...about(wish), verdict: "done", message: why } as const;
          audit.record({ ...entry, ...(rule ? { rule: rule.rule } : {}) });
        } else audit.record({ action: "app.resume", ...about(wish), verdict: "done" });
      }
      remember(standings, wish, { answer, isStopped: standing.isStopped });
    },
    refused(wish, standing) {
      const answer = answerOf(wish, standing);
      if (refusals.get(keyOf(wish)) === answer) return;
      admission(wish, standing);
      remember(refusals, wish, answer);
    },
    invalid(wish, { reason, message, violations: [first] }) {
      const answer = JSON.stringify([wish.generation, reason, message]);
      if (refusals.get(keyOf(wish)) === answer) return;
      const rule = first?.rule ?? reason;
      counted.note(wish.fingerprint, { action: "app.admit", ...about(wish), verdict: "denied", rule, message });
      remember(refusals, wish, answer);
    },
    decided({ peer, fingerprint, origin }, { verdict, by, message }) {
      audit.record({
        action: "app.decide",
        actor: { peer, fingerprint, person: by },
        target: `${origin.namespace}/${origin.name}`,
        verdict: verdict === "Approved" ? "allowed" : "denied",
        rule: "approval",
        correlation: `wish:${origin.uid}/${origin.generation}`,
        ...(message ? { message } : {}),
      });
    },
    removed(workload) {
      const wish = wishOf(workload);
      counted.note(wish.fingerprint, { action: "app.remove", ...about(wish), verdict: "done" });
    },
    orphanDeleted({ peer, fingerprint }, uid, refusal) {
      const entry = { action: "orphan.delete", actor: { peer, fingerprint }, target: uid };
      counted.note(fingerprint, { ...entry, verdict: refusal ? "denied" : "done", ...refusal });
    },
    close: () => counted.close(),
  };
}

function wishOf({ spec }: Workload): WishName {
  const { peer = "", fingerprint = "", namespace = "", name = "", uid = "", generation = 0 } = spec.origin ?? {};
  return { peer, fingerprint, namespace, name, uid, generation };
}

function about(wish: WishName) {
  const { peer, fingerprint, namespace, name, uid, generation } = wish;
  return {
    actor: { peer, fingerprint },
    target: `${namespace}/${name}`,
    correlation: `wish:${uid}/${generation}`,
  };
}

function keyOf({ fingerprint, uid }: WishName): string {
  return `${fingerprint} ${uid}`;
}

/** Forgets what was remembered longest ago when it becomes too much. */
function remember<T>(memory: Map<string, T>, wish: WishName, value: T): void {
  const key = keyOf(wish);
  memory.delete(key);
  memory.set(key, value);
  for (const oldest of memory.keys()) {
    if (memory.size <= mostWishes) break;
    memory.delete(oldest);
  }
}

/** Equal while the same is decided about the same wish by the same rules. */
function answerOf({ generation }: WishName, standing: Standing): string {
  const rules = standing.verdict.findings.map(({ rule }) => rule);
  return JSON.stringify([generation, standing.hash, verdictWord(standing), rules]);
}
