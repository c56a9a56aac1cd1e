/** How Forwards look on a terminal. Pure. */
import { toJson } from "@bufbuild/protobuf";
import { type Forward, ForwardUseSchema } from "../gen/fairlead/console/v1/tunnel_service_pb.ts";
import type { ForwardPort } from "../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import { ForwardSpecSchema, ForwardStatusSchema } from "../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import type { View } from "./output.ts";
import { formatBytes, sinceOf, type Tone } from "./table.ts";
import { metadataJson } from "./views.ts";

/** `now` is in milliseconds since 1970; `where` is what was asked for, in words; empty when it was all of them. */
export function forwardView(now: number, where: string): View<Forward> {
  return {
    name: ({ metadata }) => `forward.fairlead.dev/${metadata?.name ?? ""}`,
    columns: [
      { head: "NAMESPACE", cell: ({ metadata }) => metadata?.namespace ?? "" },
      { head: "NAME", cell: ({ metadata }) => metadata?.name ?? "" },
      { head: "DIRECTION", cell: ({ spec }) => spec?.direction ?? "Forward" },
      { head: "PEER", cell: ({ spec }) => spec?.peer ?? "" },
      { head: "TARGET", cell: ({ spec }) => spec?.target ?? "" },
      { head: "SERVICE", cell: ({ status }) => status?.service ?? "" },
      { head: "PORTS", cell: ({ spec }) => (spec?.ports ?? []).map(portText).join(",") },
      { head: "STATE", cell: stateOf, tone: toneOf },
      { head: "REASON", cell: reasonOf },
      { head: "OPEN", cell: ({ use }) => (use ? String(use.connections) : "") },
      { head: "AGE", cell: ({ metadata }) => sinceOf(metadata?.createdAt, now) },
      { head: "TAKEN", cell: ({ use }) => (use ? String(use.taken) : ""), wide: true },
      { head: "NOT-TAKEN", cell: ({ use }) => notTaken(use?.notTaken), wide: true },
      { head: "OUT", cell: ({ use }) => (use ? formatBytes(Number(use.bytesOut)) : ""), wide: true },
      { head: "IN", cell: ({ use }) => (use ? formatBytes(Number(use.bytesIn)) : ""), wide: true },
      { head: "DROPPED", cell: ({ use }) => (use ? String(use.droppedOut + use.droppedIn) : ""), wide: true },
      { head: "MESSAGE", cell: ({ status }) => status?.message ?? "", wide: true },
    ],
    json: ({ metadata, spec, status, use }) => ({
      apiVersion: "fairlead.dev/v1alpha1",
      kind: "Forward",
      metadata: metadataJson(metadata),
      ...(spec && { spec: toJson(ForwardSpecSchema, spec) }),
      ...(status && { status: toJson(ForwardStatusSchema, status) }),
      ...(use && { use: toJson(ForwardUseSchema, use, { alwaysEmitImplicit: true }) }),
    }),
    empty: `There is no Forward${where && ` ${where}`}. A Forward makes a Service here of what a peer has, or the other way round: docs/forwards.md.`,
  };
}

/** As kubectl has a Service's: the port, what it is at the other end where that is another, and the protocol. */
function portText({ port = 0, targetPort, protocol = "TCP" }: ForwardPort): string {
  const { kind } = targetPort ?? {};
  const there = kind?.case === "numberValue" || kind?.case === "stringValue" ? String(kind.value) : String(port);
  return `${port}${there === String(port) ? "" : `:${there}`}/${protocol}`;
}

function stateOf({ metadata, status }: Forward): string {
  return metadata?.deletedAt ? "Deleting" : status?.phase || "Pending";
}

function toneOf(forward: Forward): Tone {
  const state = stateOf(forward);
  if (state === "Ready") return reasonOf(forward) === "" ? "good" : "waiting";
  return state === "Invalid" ? "bad" : "waiting";
}

/** Why it is not ready, or why its latest connection was not taken. */
function reasonOf({ status }: Forward): string {
  const conditions = ["Ready", "Reached"].map((wanted) => status?.conditions.find(({ type }) => type === wanted));
  return conditions.find((one) => one?.status === "False")?.reason ?? "";
}

function notTaken(counts: Readonly<Record<string, bigint>> = {}): string {
  return Object.entries(counts)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([why, count]) => `${why}:${count}`)
    .join(",");
}
