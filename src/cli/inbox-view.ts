/** What waits in the inbox, as it looks on a terminal. Pure. */
import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { stringify } from "yaml";
import {
  type InboxItem,
  InboxItem_Kind as Kind,
  InboxItem_State as State,
} from "../gen/fairlead/console/v1/inbox_service_pb.ts";
import { AdmissionFindingSchema } from "../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { factLines, indented } from "./app-detail.ts";
import { findingTable } from "./findings.ts";
import { markedLines } from "./line-diff.ts";
import type { View } from "./output.ts";
import { leftOf, sinceOf, type Tone, visible } from "./table.ts";

// An agent of a later version may know more kinds and states than this program.
const kinds: Readonly<Partial<Record<Kind, string>>> = { [Kind.APP]: "App", [Kind.TUNNEL]: "Tunnel" };
const states: Readonly<Partial<Record<State, string>>> = {
  [State.HELD]: "Held",
  [State.APPROVED]: "Approved",
  [State.DENIED]: "Denied",
};

const tones: Readonly<Partial<Record<State, Tone>>> = {
  [State.HELD]: "waiting",
  [State.APPROVED]: "good",
  [State.DENIED]: "bad",
};

/** `now` is in milliseconds since 1970; `peer` is of whom was asked, empty for all. */
export function inboxView(now: number, peer = ""): View<InboxItem> {
  return {
    name: (item) => item.name,
    columns: [
      { head: "NAME", cell: (item) => item.name },
      { head: "KIND", cell: kindOf },
      { head: "PEER", cell: (item) => item.peer },
      { head: "ASKS-FOR", cell: (item) => item.subject },
      { head: "STATE", cell: stateOf, tone: (item) => tones[item.state] },
      { head: "SINCE", cell: (item) => sinceOf(whenOf(item), now) },
      { head: "RULES", cell: (item) => item.findings.map(({ rule }) => rule).join(",") },
      { head: "DECIDED-BY", cell: (item) => item.decidedBy, wide: true },
      { head: "HOLDS", cell: (item) => leftOf(item.until, now), wide: true },
      { head: "MESSAGE", cell: (item) => item.message, wide: true },
    ],
    json: itemJson,
    empty: peer === "" ? "Nothing waits for you here." : `Nothing of ${peer} waits for you here.`,
    detail: (item) => inboxDetail(item, now),
  };
}

/** All that an approver must see: what is asked, what it changes, which rules spoke, and the hash of just that. */
export function inboxDetail(item: InboxItem, now: number): string {
  const decided = item.state === State.HELD ? "" : stateOf(item);
  const facts = [
    ["Asked by", item.peer],
    ["Asks for", item.subject],
    [decided, decided && [sinceOf(item.decidedAt, now), "ago by", item.decidedBy || "unknown"].join(" ")],
    ["Because", item.message],
    ["Holds", leftOf(item.until, now)],
    ["Hash", item.hash],
  ];
  return [factLines(facts.filter(([name]) => name)), indented(findingTable(item.findings)), askedFor(item)]
    .filter(Boolean)
    .join("\n\n");
}

function askedFor({ app, running }: InboxItem): string {
  if (!app) return "";
  const asked = specLines(app);
  if (!running) return `  What would run:\n${asked.map((line) => `      ${line}`).join("\n")}`;
  const lines = markedLines(specLines(running), asked).map((line) => `    ${line}`);
  return `  What would run, and what it changes (- was admitted before, + is asked for now):\n${lines.join("\n")}`;
}

/** YAML in which nothing is hidden: what is approved is what was seen. */
function specLines(spec: RemoteAppSpec): string[] {
  const text = stringify(toJson(RemoteAppSpecSchema, spec), { lineWidth: 0 });
  return text.trimEnd().split("\n").map(visible);
}

function itemJson(item: InboxItem): JsonObject {
  return {
    name: item.name,
    kind: kindOf(item),
    peer: item.peer,
    subject: item.subject,
    state: stateOf(item),
    since: item.since,
    findings: item.findings.map((finding) => toJson(AdmissionFindingSchema, finding)),
    hash: item.hash,
    ...(item.app && { app: toJson(RemoteAppSpecSchema, item.app) }),
    ...(item.running && { running: toJson(RemoteAppSpecSchema, item.running) }),
    ...(item.state !== State.HELD && {
      decision: { by: item.decidedBy, at: item.decidedAt, message: item.message, until: item.until },
    }),
  };
}

/** One that waits again may still bear the decision that has come to its end. */
function whenOf({ state, since, decidedAt }: InboxItem): string {
  return state === State.HELD ? since : decidedAt || since;
}

function kindOf({ kind }: InboxItem): string {
  return kinds[kind] ?? "Unknown";
}

function stateOf({ state }: InboxItem): string {
  return states[state] ?? "Unknown";
}
