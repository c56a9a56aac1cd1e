/** What has happened to an app, put together of what several places keep of it. Pure. */
import { create } from "@bufbuild/protobuf";
import type { AuditRecord, AuditVerdict } from "../../audit/entry.ts";
import {
  type AppHappening,
  AppHappeningSchema,
  type AppRevision,
  AppHappening_Kind as Kind,
} from "../../gen/fairlead/console/v1/app_service_pb.ts";
import type { Admission } from "../../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import type { AppEvent } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { Condition } from "../../gen/fairlead/resources/v1alpha1/condition_pb.ts";
import { keyOf } from "../../kube/object.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import { milliTimeText } from "../../kube/time.ts";

/** What is kept of an app in other places than itself. */
export interface StorySources {
  readonly revisions: readonly AppRevision[];
  /** Of the audit, what the reader may see; entries of anything else are left out. */
  readonly records: readonly AuditRecord[];
}

/** The earliest first; of what is at one time, causes before what came of them. */
export function appStory(app: RemoteApp, { revisions, records }: StorySources): AppHappening[] {
  const { status, spec } = app;
  const ours = records.filter((record) => isAbout(app, record));
  const answers = ours.filter(({ action }) => action === answer);
  const acts = ours.filter(({ action }) => action !== answer);
  const peers = status?.peers ?? [];
  const decisions =
    peers.length > 0
      ? peers.map(({ peer, admission }) => ({ peer, admission }))
      : [{ peer: status?.peer ?? spec.peer, admission: status?.admission }];
  const happenings = [
    ...acts.map(actOf),
    ...revisions.map(revisionOf),
    ...answers.map(answerOf),
    // The app itself has the latest alone, and has it also when the audit has no room for it any more.
    ...decisions
      .filter(({ peer }) => !answers.some(({ actor }) => actor.peer === peer))
      .flatMap(({ peer = "", admission }) => (admission ? [decisionOf(peer, admission)] : [])),
    ...(status?.events ?? []).map(eventOf),
    ...(status?.conditions ?? []).map(conditionOf),
  ].filter(({ at }) => !Number.isNaN(Date.parse(at)));
  return happenings.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at) || a.kind - b.kind);
}

/** What the audit has of a peer's answer to a wish. */
const answer = "app.answer";

/** Of an entry about an app: not about an earlier one of its name, nor about a peer's of the same name that runs here. */
function isAbout(app: RemoteApp, { at, action, actor, target, correlation = "" }: AuditRecord): boolean {
  const { uid, creationTimestamp } = app.metadata;
  if (target !== keyOf(app) || at < (Date.parse(creationTimestamp ?? "") || 0)) return false;
  // What peers ask here is of apps of theirs, whatever UID they give them; people at the console come without a link's fingerprint.
  if (action !== answer && actor.fingerprint !== undefined) return false;
  return correlation === "" || correlation.startsWith(`wish:${uid}/`);
}

function actOf({ at, action, actor, verdict, message = "" }: AuditRecord): AppHappening {
  return create(AppHappeningSchema, {
    at: milliTimeText(at),
    kind: Kind.ACT,
    peer: actor.peer ?? "",
    doneBy: actor.person ?? "",
    reason: action,
    message: verdict === "done" ? message : [verdict, message].filter(Boolean).join(": "),
    isTrouble: verdict === "failed" || verdict === "denied",
    count: 1,
  });
}

function answerOf({ at, actor, verdict, message }: AuditRecord): AppHappening {
  return create(AppHappeningSchema, {
    at: milliTimeText(at),
    kind: Kind.DECISION,
    peer: actor.peer ?? "",
    reason: verdicts[verdict] ?? "",
    message: message ?? "",
    isTrouble: verdict === "denied",
    count: 1,
  });
}

/** In the words of an admission. */
const verdicts: Readonly<Partial<Record<AuditVerdict, string>>> = {
  allowed: "Admitted",
  held: "Held",
  denied: "Denied",
};

function revisionOf({ number, createdAt, cause, present, spec }: AppRevision): AppHappening {
  return create(AppHappeningSchema, {
    at: createdAt,
    kind: Kind.REVISION,
    subject: `revision ${number}`,
    reason: present ? "Present" : "Earlier",
    message: [spec?.image, cause].filter(Boolean).join(": "),
    count: 1,
  });
}

function decisionOf(peer: string, { verdict = "", decidedAt = "", message, reasons }: Admission): AppHappening {
  return create(AppHappeningSchema, {
    at: decidedAt,
    kind: Kind.DECISION,
    peer,
    reason: verdict,
    message: [message, ...reasons].filter(Boolean).join(" "),
    isTrouble: verdict === "Denied",
    count: 1,
  });
}

function eventOf({ lastAt, peer, object, reason, message, type, count }: AppEvent): AppHappening {
  return create(AppHappeningSchema, {
    at: lastAt ?? "",
    kind: Kind.EVENT,
    peer: peer ?? "",
    subject: object ?? "",
    reason: reason ?? "",
    message: message ?? "",
    isTrouble: type === "Warning",
    count: count ?? 1,
  });
}

/** That it is so now: of how a condition was before nobody keeps anything. */
function conditionOf({ type = "", status = "", reason, message, lastTransitionTime = "" }: Condition): AppHappening {
  return create(AppHappeningSchema, {
    at: lastTransitionTime,
    kind: Kind.CONDITION,
    subject: `${type}=${status}`,
    reason: reason ?? "",
    message: message ?? "",
    isTrouble: status === "False",
    count: 1,
  });
}
