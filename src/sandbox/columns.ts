/** The columns that `kubectl get` shows for Kubernetes' own kinds, each as the real server computes it. */
import { at, isObject } from "./json.ts";
import type { Column } from "./resource.ts";

type Cell = Column["cell"];

function column(name: string, cell: Cell, priority = 0, type = "string"): Column {
  return { name, type, priority, cell, ...(name === "Name" ? { format: "name" } : {}) };
}

export const nameColumn = column("Name", (o) => at(o, "metadata", "name"));
export const ageColumn = column("Age", (o, now) => age(at(o, "metadata", "creationTimestamp"), now));

/** How long ago, as kubectl writes it: `5s`, `3m20s`, `2h`, `4d`. */
export function age(since: unknown, nowMs: number): string {
  if (typeof since !== "string") return "<unknown>";
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(since)) / 1000));
  if (Number.isNaN(seconds)) return "<invalid>";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 ? `${minutes}m${seconds % 60}s` : `${minutes}m`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 ? `${hours}h${minutes % 60}m` : `${hours}h`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8 && hours % 24) return `${days}d${hours % 24}h`;
  return days < 730 ? `${days}d` : `${Math.floor(days / 365)}y`;
}

const text =
  (...path: string[]): Cell =>
  (o) =>
    at(o, ...path) ?? "<none>";
const number =
  (...path: string[]): Cell =>
  (o) =>
    at(o, ...path) ?? 0;
const size =
  (...path: string[]): Cell =>
  (o) => {
    const value = at(o, ...path);
    return isObject(value) || Array.isArray(value) ? Object.keys(value).length : 0;
  };

/** As in "remoteapp.fairlead.dev/web". */
function controller(o: Record<string, unknown>): string {
  const owner = items(o, "metadata", "ownerReferences").find(({ controller }) => controller === true);
  if (!owner) return "<none>";
  const [group = "", version] = String(owner.apiVersion).split("/");
  return `${String(owner.kind).toLowerCase()}${version === undefined ? "" : `.${group}`}/${String(owner.name)}`;
}

function items(o: Record<string, unknown>, ...path: string[]): Record<string, unknown>[] {
  const list = at(o, ...path);
  return Array.isArray(list) ? list.filter(isObject) : [];
}

function pairs(value: unknown): string {
  if (!isObject(value) || Object.keys(value).length === 0) return "<none>";
  return Object.entries(value)
    .map(([key, v]) => `${key}=${String(v)}`)
    .join(",");
}

const containers = (...path: string[]): Column[] => [
  column(
    "Containers",
    (o) =>
      items(o, ...path)
        .map((c) => c.name)
        .join(","),
    1,
  ),
  column(
    "Images",
    (o) =>
      items(o, ...path)
        .map((c) => c.image)
        .join(","),
    1,
  ),
];

function podStatus(o: Record<string, unknown>): string {
  if (at(o, "metadata", "deletionTimestamp")) return "Terminating";
  let shown = String(at(o, "status", "reason") ?? at(o, "status", "phase") ?? "Unknown");
  for (const status of items(o, "status", "containerStatuses")) {
    const waiting = at(status, "state", "waiting", "reason");
    const terminated = at(status, "state", "terminated");
    if (waiting) shown = String(waiting);
    else if (isObject(terminated)) shown = String(terminated.reason ?? `ExitCode:${String(terminated.exitCode)}`);
  }
  return shown;
}

function podRestarts(o: Record<string, unknown>, now: number): string {
  const statuses = items(o, "status", "containerStatuses");
  const count = statuses.reduce((sum, status) => sum + Number(status.restartCount ?? 0), 0);
  const last = statuses.map((s) => at(s, "lastState", "terminated", "finishedAt")).find((t) => typeof t === "string");
  return count > 0 && last ? `${count} (${age(last, now)} ago)` : String(count);
}

function podReady(o: Record<string, unknown>): string {
  const ready = items(o, "status", "containerStatuses").filter((status) => status.ready).length;
  return `${ready}/${items(o, "spec", "containers").length}`;
}

function servicePorts(o: Record<string, unknown>): string {
  const shown = items(o, "spec", "ports").map((port) => `${String(port.port)}/${String(port.protocol ?? "TCP")}`);
  return shown.join(",") || "<none>";
}

/** By plural name. A kind that is not here shows its name and age. */
export const builtinColumns: Readonly<Record<string, readonly Column[]>> = {
  pods: [
    nameColumn,
    column("Ready", podReady),
    column("Status", podStatus),
    column("Restarts", podRestarts),
    ageColumn,
    column("IP", text("status", "podIP"), 1),
    column("Node", text("spec", "nodeName"), 1),
    column("Nominated Node", () => "<none>", 1),
    column("Readiness Gates", () => "<none>", 1),
  ],
  deployments: [
    nameColumn,
    column(
      "Ready",
      (o) => `${String(at(o, "status", "readyReplicas") ?? 0)}/${String(at(o, "spec", "replicas") ?? 0)}`,
    ),
    column("Up-to-date", number("status", "updatedReplicas"), 0, "integer"),
    column("Available", number("status", "availableReplicas"), 0, "integer"),
    ageColumn,
    ...containers("spec", "template", "spec", "containers"),
    column("Selector", (o) => pairs(at(o, "spec", "selector", "matchLabels")), 1),
  ],
  replicasets: [
    nameColumn,
    column("Desired", number("spec", "replicas"), 0, "integer"),
    column("Current", number("status", "replicas"), 0, "integer"),
    column("Ready", number("status", "readyReplicas"), 0, "integer"),
    ageColumn,
    ...containers("spec", "template", "spec", "containers"),
    column("Selector", (o) => pairs(at(o, "spec", "selector", "matchLabels")), 1),
  ],
  services: [
    nameColumn,
    column("Type", text("spec", "type")),
    column("Cluster-IP", text("spec", "clusterIP")),
    column("External-IP", () => "<none>"),
    column("Port(s)", servicePorts),
    ageColumn,
    column("Selector", (o) => pairs(at(o, "spec", "selector")), 1),
  ],
  namespaces: [nameColumn, column("Status", text("status", "phase")), ageColumn],
  configmaps: [nameColumn, column("Data", size("data"), 0, "integer"), ageColumn],
  secrets: [nameColumn, column("Type", text("type")), column("Data", size("data"), 0, "integer"), ageColumn],
  events: [
    column("Last Seen", (o, now) => age(at(o, "lastTimestamp") ?? at(o, "metadata", "creationTimestamp"), now)),
    column("Type", text("type")),
    column("Reason", text("reason")),
    column(
      "Object",
      (o) =>
        `${String(at(o, "involvedObject", "kind") ?? "").toLowerCase()}/${String(at(o, "involvedObject", "name"))}`,
    ),
    column("Message", text("message")),
    column("Count", (o) => at(o, "count") ?? 1, 1, "integer"),
    column("Name", (o) => at(o, "metadata", "name"), 1),
  ],
  controllerrevisions: [
    nameColumn,
    column("Controller", controller),
    column("Revision", number("revision")),
    ageColumn,
  ],
  leases: [nameColumn, column("Holder", text("spec", "holderIdentity")), ageColumn],
  rolebindings: [
    nameColumn,
    column("Role", (o) => `${String(at(o, "roleRef", "kind"))}/${String(at(o, "roleRef", "name"))}`),
    ageColumn,
  ],
  customresourcedefinitions: [nameColumn, column("Created At", text("metadata", "creationTimestamp"))],
};
