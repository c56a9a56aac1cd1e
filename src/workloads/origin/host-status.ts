/** Reads what a host says of an app. A peer wrote it: whatever the API server would not take, or is too long, is left out. Pure. */
import { create, fromJsonString } from "@bufbuild/protobuf";
import {
  type Admission,
  type AdmissionFinding,
  AdmissionFindingSchema,
  AdmissionSchema,
} from "../../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import { type AppJobStatus, AppJobStatusSchema } from "../../gen/fairlead/resources/v1alpha1/app_job_pb.ts";
import {
  type AppContainer,
  AppContainerSchema,
  type AppEvent,
  AppEventSchema,
  type AppPod,
  AppPodSchema,
  type AppRollout,
  AppRolloutSchema,
} from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import { type RemoteAppStatus, RemoteAppStatusSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";

/** What of a RemoteApp's status the host decides. */
export type HostStatus = Pick<
  RemoteAppStatus,
  | "phase"
  | "reason"
  | "message"
  | "hostNamespace"
  | "replicas"
  | "readyReplicas"
  | "updatedReplicas"
  | "availableReplicas"
  | "selector"
  | "pods"
  | "admission"
  | "events"
  | "rollout"
  | "job"
>;

/** Phases that a host may report; the others are the origin's own words. */
const phases = new Set(["Pending", "Progressing", "Ready", "Degraded", "Held", "Denied", "Deleting"]);

/** The most of each that stands in a status: in characters, or in items. */
export const most = {
  findings: 64,
  rule: 128,
  field: 256,
  reason: 1024,
  value: 512,
  person: 1024,
  word: 128,
  message: 2048,
  podMessage: 512,
  lines: 4096,
  name: 253,
  selector: 1024,
  pods: 100,
  containers: 16,
  events: 20,
  eventMessage: 1024,
};

export function readHostStatus(text: string): HostStatus {
  let status: RemoteAppStatus;
  try {
    status = fromJsonString(RemoteAppStatusSchema, text, { ignoreUnknownFields: true });
  } catch {
    return unreadable();
  }
  const { phase = "" } = status;
  if (!phases.has(phase)) return unreadable();
  return {
    phase,
    reason: word(status.reason) ?? phase,
    message: plain(status.message, most.message),
    hostNamespace: cut(status.hostNamespace ?? "", most.name),
    replicas: count(status.replicas),
    readyReplicas: count(status.readyReplicas),
    updatedReplicas: count(status.updatedReplicas),
    availableReplicas: count(status.availableReplicas),
    selector: cut(status.selector ?? "", most.selector),
    pods: uniquePods(status.pods.slice(0, most.pods).map(podOf)),
    events: status.events.slice(0, most.events).map(eventOf),
    ...(status.rollout ? { rollout: rolloutOf(status.rollout) } : {}),
    ...(status.job ? { job: jobOf(status.job) } : {}),
    ...admissionPart(status.admission),
  };
}

const verdicts = new Set(["Admitted", "Held", "Denied"]);

function admissionPart(admission: Admission | undefined): Pick<HostStatus, "admission"> {
  const { verdict = "", reasons = [], decidedAt, findings = [], message, until } = admission ?? {};
  if (!verdicts.has(verdict)) return {};
  return {
    admission: create(AdmissionSchema, {
      verdict,
      reasons: reasons.slice(0, most.findings).map((reason) => plain(reason, most.reason)),
      findings: findingsOf(findings),
      ...(decidedAt !== undefined && isTime(decidedAt) ? { decidedAt } : {}),
      ...(message ? { message: plain(message, most.person) } : {}),
      ...(until !== undefined && isTime(until) ? { until } : {}),
    }),
  };
}

/** What the rules of a host said, as it may stand in a status. */
export function findingsOf(said: readonly Partial<AdmissionFinding>[]): AdmissionFinding[] {
  return said
    .slice(0, most.findings)
    .filter(({ rule }) => rule)
    .map(({ rule, field, message, asked, allowed }) =>
      create(AdmissionFindingSchema, {
        rule: plain(rule, most.rule),
        field: plain(field, most.field),
        message: plain(message, most.reason),
        ...(asked ? { asked: plain(asked, most.value) } : {}),
        ...(allowed ? { allowed: plain(allowed, most.value) } : {}),
      }),
    );
}

/** Text for people's screens: no control characters, which a terminal would obey, and nothing that turns its direction. */
export function plain(text: string | undefined, length: number): string {
  return cut(text ?? "", length).replace(/[\p{Cc}\u202A-\u202E\u2066-\u2069]+/gu, " ");
}

/** One CamelCase word, as a condition's reason has to be; undefined when it is none. */
export function word(text: string | undefined): string | undefined {
  return text !== undefined && text.length <= most.word && /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/.test(text)
    ? text
    : undefined;
}

export function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

function unreadable(): HostStatus {
  const counts = { replicas: 0, readyReplicas: 0, updatedReplicas: 0, availableReplicas: 0 };
  const message =
    "The host's agent says how the app is in words that this agent does not understand; upgrade this one.";
  return {
    phase: "Progressing",
    reason: "UnreadableStatus",
    message,
    hostNamespace: "",
    selector: "",
    pods: [],
    events: [],
    ...counts,
  };
}

function podOf(pod: AppPod): AppPod {
  const { startedAt } = pod;
  return create(AppPodSchema, {
    name: cut(pod.name ?? "", most.name),
    phase: cut(pod.phase ?? "", most.word),
    ready: pod.ready ?? false,
    restarts: count(pod.restarts),
    ...(pod.reason === undefined ? {} : { reason: cut(pod.reason, most.word) }),
    ...(pod.message === undefined ? {} : { message: plain(pod.message, most.podMessage) }),
    ...(pod.exitCode === undefined ? {} : { exitCode: pod.exitCode }),
    ...(startedAt !== undefined && isTime(startedAt) ? { startedAt } : {}),
    ...(pod.node === undefined ? {} : { node: cut(pod.node, most.name) }),
    ...(pod.lastLines === undefined ? {} : { lastLines: cut(pod.lastLines, most.lines) }),
    containers: uniqueContainers(pod.containers.slice(0, most.containers).map(containerOf)),
  });
}

function containerOf(container: AppContainer): AppContainer {
  const { name = "", init, ready, state, reason, restarts, exitCode, finishedAt, imageDigest } = container;
  return create(AppContainerSchema, {
    name: cut(name, most.name),
    ready: ready ?? false,
    restarts: count(restarts),
    ...(init ? { init } : {}),
    ...(state === undefined ? {} : { state: cut(state, most.word) }),
    ...(reason === undefined ? {} : { reason: cut(reason, most.word) }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...times({ finishedAt }),
    ...(imageDigest === undefined ? {} : { imageDigest: plain(imageDigest, most.word) }),
  });
}

function uniqueContainers(containers: AppContainer[]): AppContainer[] {
  return [...new Map(containers.filter(({ name }) => name).map((one) => [one.name, one])).values()];
}

function eventOf({ type, reason, message, object, count: seen, firstAt, lastAt }: AppEvent): AppEvent {
  return create(AppEventSchema, {
    type: type === "Warning" ? "Warning" : "Normal",
    reason: plain(reason, most.word),
    message: plain(message, most.eventMessage),
    ...(object === undefined ? {} : { object: plain(object, most.name) }),
    ...(seen === undefined ? {} : { count: count(seen) }),
    ...times({ firstAt, lastAt }),
  });
}

function rolloutOf(rollout: AppRollout): AppRollout {
  const { startedAt, deadlineAt, updated, updatedReady, old, total, paused } = rollout;
  return create(AppRolloutSchema, {
    ...times({ startedAt, deadlineAt }),
    updated: count(updated),
    updatedReady: count(updatedReady),
    old: count(old),
    total: count(total),
    ...(paused ? { paused } : {}),
  });
}

function jobOf(job: AppJobStatus): AppJobStatus {
  const { active, succeeded, failed, startedAt, completedAt, lastScheduleAt, lastSuccessAt } = job;
  return create(AppJobStatusSchema, {
    active: count(active),
    succeeded: count(succeeded),
    failed: count(failed),
    ...times({ startedAt, completedAt, lastScheduleAt, lastSuccessAt }),
  });
}

/** Of these the ones that are times. */
function times<Name extends string>(given: Record<Name, string | undefined>): Partial<Record<Name, string>> {
  const known: Partial<Record<Name, string>> = {};
  for (const name in given) {
    const time = given[name];
    if (time !== undefined && isTime(time)) known[name] = time;
  }
  return known;
}

/** The name is the list's key. */
function uniquePods(pods: AppPod[]): AppPod[] {
  return [...new Map(pods.filter(({ name }) => name).map((pod) => [pod.name, pod])).values()];
}

function count(value: number | undefined): number {
  return Math.max(0, value ?? 0);
}

function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(text) && !Number.isNaN(Date.parse(text));
}
