/** PeerPolicies, and what they come to for one peer, as they look on a terminal. Pure. */
import { type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { EffectiveValue, ExplainPolicyResponse, Policy } from "../gen/fairlead/console/v1/policy_service_pb.ts";
import { PeerPolicySpecSchema, PeerPolicyStatusSchema } from "../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import { conditionTable, factLines, indented } from "./app-detail.ts";
import type { View } from "./output.ts";
import { type Column, formatTable, leftOf, plain, sinceOf, type Tone } from "./table.ts";
import { metadataJson } from "./views.ts";

/** `now` is in milliseconds since 1970. */
export function policyView(now: number): View<Policy> {
  return {
    name: (policy) => `peerpolicy.fairlead.dev/${policy.metadata?.name ?? ""}`,
    columns: [
      { head: "NAME", cell: (policy) => policy.metadata?.name ?? "" },
      { head: "PEERS", cell: selectorText },
      { head: "ACCEPT", cell: (policy) => boolText(policy.spec?.workloads?.accept) },
      { head: "APPROVAL", cell: (policy) => policy.spec?.workloads?.approval ?? "" },
      { head: "VALID", cell: validity, tone: validityTone },
      { head: "AGE", cell: (policy) => sinceOf(policy.metadata?.createdAt, now) },
      { head: "SELECTS", cell: (policy) => policy.status?.peers.join(",") ?? "", wide: true },
    ],
    json: (policy) => ({
      apiVersion: "fairlead.dev/v1alpha1",
      kind: "PeerPolicy",
      metadata: metadataJson(policy.metadata),
      ...(policy.spec && { spec: toJson(PeerPolicySpecSchema, policy.spec) }),
      ...(policy.status && { status: toJson(PeerPolicyStatusSchema, policy.status) }),
    }),
    empty:
      "No PeerPolicies in the agent's namespace, and elsewhere they do not count: nothing of any peer runs here. docs/policies.md has some to begin with.",
    detail(policy) {
      const selects = policy.status?.peers.join(", ") || "no peer now";
      const conditions = policy.status?.conditions ?? [];
      return [
        factLines([["Selects", selects]]),
        conditions.length > 0 && indented(conditionTable(conditions, now)),
        "  What it says: -o yaml. What counts for a peer: fairlead policy explain PEER",
      ]
        .filter(Boolean)
        .join("\n\n");
    },
  };
}

function selectorText({ spec }: Policy): string {
  const { names = [], matchLabels = {} } = spec?.peers ?? {};
  const labels = Object.entries(matchLabels).map(([name, value]) => `${name}=${value}`);
  return [...names, ...labels].join(",") || "(all)";
}

function boolText(value: boolean | undefined): string {
  return value === undefined ? "" : String(value);
}

function validity({ status }: Policy): string {
  return status?.conditions.find(({ type }) => type === "Valid")?.status ?? "Unknown";
}

function validityTone(policy: Policy): Tone {
  const valid = validity(policy);
  return valid === "True" ? "good" : valid === "False" ? "bad" : "waiting";
}

/** Whether policies accept apps of the peer; it may still lack the grant. */
export function acceptsApps({ problems, values }: ExplainPolicyResponse): boolean {
  return problems.length === 0 && values.some(({ path, value }) => path === "workloads.accept" && value === "true");
}

/** The sentence first, then what the peer was granted, then each field. Without a last line feed. */
export function explanationText(
  explained: ExplainPolicyResponse,
  { wide, now }: { wide: boolean; now: number },
): string {
  const { summary, grants, labels, policies, problems, values } = explained;
  const granted = grants.map(({ name, until }) => (until ? `${name} (${leftOf(until, now)})` : name));
  const labelled = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const facts = factLines([
    ["Grants", granted.join(", ") || "none"],
    ["Labels", labelled.join(", ")],
    ["Policies", policies.join(", ") || "none is about it"],
    ...problems.map((problem) => ["Problem", problem]),
  ]);
  const columns: Column<EffectiveValue>[] = [
    { head: "FIELD", cell: ({ path }) => path },
    { head: "VALUE", cell: ({ value }) => shown(value) },
    { head: "FROM", cell: ({ policy }) => policy || "(default)" },
    {
      head: "OVERRULED",
      cell: ({ overruled }) => overruled.map(({ policy, value }) => `${policy}: ${shown(value)}`).join("; "),
      wide: true,
    },
  ];
  return [plain(summary), facts, formatTable(columns, values, { wide, head: true }).text].filter(Boolean).join("\n\n");
}

/** Words as they are, everything else as JSON. */
function shown(value: string): string {
  const known = parsed(value);
  if (known === null) return "(no bound)";
  return typeof known === "string" ? known : value;
}

/** For programs: values as JSON, null where there is no bound. */
export function explanationJson(explained: ExplainPolicyResponse): JsonObject {
  const { peer, summary, labels, grants, policies, problems, values } = explained;
  return {
    peer,
    summary,
    accepts: acceptsApps(explained),
    labels,
    grants: grants.map(({ name, until }) => ({ name, ...(until && { until }) })),
    policies,
    problems,
    values: values.map(({ path, value, policy, overruled }) => ({
      path,
      value: parsed(value),
      policy,
      overruled: overruled.map((one) => ({ policy: one.policy, value: parsed(one.value) })),
    })),
  };
}

function parsed(text: string): JsonValue {
  if (text === "") return null;
  const value: JsonValue = JSON.parse(text);
  return value;
}
