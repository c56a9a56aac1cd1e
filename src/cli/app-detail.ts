/** One app in words, for a person at a terminal: why it is as it is, its pods and its conditions. Pure. */
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";
import type { Admission } from "../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import type { AppPod } from "../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { Condition } from "../gen/fairlead/resources/v1alpha1/condition_pb.ts";
import type { AppAtPeer } from "../gen/fairlead/resources/v1alpha1/placement_pb.ts";
import { containerTable, eventTable, jobText, podName, rolloutText } from "./app-status.ts";
import { findingTable } from "./findings.ts";
import { type Column, formatTable, leftOf, plain, sinceOf } from "./table.ts";

/** Lines without a last line feed. `now` is in milliseconds since 1970. */
export function appDetail({ spec, status }: App, now: number): string {
  const ports = (spec?.ports ?? []).map(
    ({ name, containerPort, appProtocol }) => `${name ? `${name}:` : ""}${containerPort}/${appProtocol ?? "http"}`,
  );
  const heard = sinceOf(status?.lastHeardAt, now);
  const facts = [
    ["Message", status?.message],
    ["Image", spec?.image],
    ["Kind", spec?.kind],
    ["Ports", ports.join(", ")],
    ["Runs in", status?.hostNamespace && `namespace ${status.hostNamespace} at ${status.peer ?? spec?.peer ?? "?"}`],
    ["Heard of", heard && `${heard} ago`],
    ["Rollout", rolloutText(status?.rollout, now)],
    ["Job", jobText(status?.job, now)],
  ];
  const parts = [factLines(facts), admissionLines(status?.admission, now)];
  if (status && status.peers.length > 0) parts.push(indented(peerTable(status.peers, now)));
  if (status && status.pods.length > 0)
    parts.push(
      indented(podTable(status.pods, now)),
      indented(containerTable(status.pods, now)),
      ...status.pods.flatMap(lastLines),
    );
  if (status && status.conditions.length > 0)
    parts.push(indented(conditionTable(status.conditions, now, status.message)));
  if (status) parts.push(indented(eventTable(status.events, now)));
  return parts.filter(Boolean).join("\n\n");
}

/** What the host decided where it is not simply yes: since when, by which rules, and what a person there said. */
function admissionLines(admission: Admission | undefined, now: number): string {
  if (!admission) return "";
  const { verdict, decidedAt, message, until, findings } = admission;
  if (verdict === "Admitted" && !message && !until) return "";
  const facts = factLines([
    [verdict ?? "", since(decidedAt, now)],
    ["They say", message],
    ["Until", until && `${until} (${leftOf(until, now)})`],
  ]);
  return [facts, indented(findingTable(findings))].filter(Boolean).join("\n\n");
}

function since(time: string | undefined, now: number): string {
  const age = sinceOf(time, now);
  return age && `for ${age}, since ${time}`;
}

/** Names and values below one another; those without a value are left out. */
export function factLines(facts: readonly (readonly (string | undefined)[])[]): string {
  const known = facts.filter(([, value]) => value);
  const width = Math.max(0, ...known.map(([name]) => name?.length ?? 0));
  return known.map(([name = "", value = ""]) => `  ${name.padEnd(width)}   ${plain(value)}`).join("\n");
}

/** The table of an object's conditions; `said` is a message that stands above it and need not be repeated. */
export function conditionTable(conditions: readonly Condition[], now: number, said?: string): string {
  const columns: Column<Condition>[] = [
    { head: "CONDITION", cell: ({ type }) => type ?? "" },
    { head: "IS", cell: ({ status }) => status ?? "" },
    { head: "FOR", cell: ({ lastTransitionTime }) => sinceOf(lastTransitionTime, now) },
    { head: "BECAUSE", cell: ({ reason, message }) => because(reason, message === said ? "" : message) },
  ];
  return formatTable(columns, conditions, { wide: false, head: true }).text;
}

/** The same lines, two spaces to the right. */
export function indented(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}

/** The app at each of its peers. */
function peerTable(peers: readonly AppAtPeer[], now: number): string {
  const columns: Column<AppAtPeer>[] = [
    { head: "PEER", cell: ({ peer }) => peer ?? "" },
    { head: "PHASE", cell: ({ phase, leaving }) => `${phase ?? ""}${leaving ? ", leaving" : ""}` },
    { head: "READY", cell: ({ readyReplicas, desiredReplicas }) => `${readyReplicas ?? 0}/${desiredReplicas ?? 0}` },
    { head: "HEARD", cell: ({ lastHeardAt }) => sinceOf(lastHeardAt, now) },
    { head: "BECAUSE", cell: ({ reason, message, rollout }) => because(reason, rolloutText(rollout, now) || message) },
  ];
  return formatTable(columns, peers, { wide: false, head: true }).text;
}

function podTable(pods: readonly AppPod[], now: number): string {
  const columns: Column<AppPod>[] = [
    { head: "POD", cell: podName },
    { head: "PHASE", cell: ({ phase }) => phase ?? "" },
    { head: "READY", cell: ({ ready }) => (ready ? "yes" : "no") },
    { head: "RESTARTS", cell: ({ restarts }) => String(restarts ?? 0) },
    { head: "STARTED", cell: ({ startedAt }) => sinceOf(startedAt, now) },
    { head: "BECAUSE", cell: ({ reason, message }) => because(reason, message) },
  ];
  return formatTable(columns, pods, { wide: false, head: true }).text;
}

function because(reason: string | undefined, message: string | undefined): string {
  return [reason, message].filter(Boolean).join(": ");
}

/** What a crashing pod printed before its end. */
function lastLines(pod: AppPod): string[] {
  const { lastLines: text, exitCode } = pod;
  if (!text) return [];
  const ended = exitCode === undefined ? "" : ` before it ended with ${exitCode}`;
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => `    ${plain(line)}`);
  return [`  The last lines of ${plain(podName(pod))}${ended}:\n${lines.join("\n")}`];
}
