/** How notifications look on a terminal. Pure. */
import { type JsonObject, toJson } from "@bufbuild/protobuf";
import {
  Notification_Kind as Kind,
  type Notification,
  NotificationSchema,
  Notification_Severity as Severity,
} from "../gen/fairlead/console/v1/notification_service_pb.ts";
import { factLines } from "./app-detail.ts";
import type { View } from "./output.ts";
import { sinceOf, type Tone } from "./table.ts";

// As field selectors have them. An agent of a later version may know more than this program.
const kinds: Readonly<Partial<Record<Kind, string>>> = {
  [Kind.INBOX]: "Inbox",
  [Kind.APP_FAILING]: "AppFailing",
  [Kind.APP_REFUSED]: "AppRefused",
  [Kind.LINK_DOWN]: "LinkDown",
  [Kind.PEER_JOINED]: "PeerJoined",
  [Kind.CERTIFICATE]: "Certificate",
  [Kind.VERSION_SKEW]: "VersionSkew",
  [Kind.AUDIT]: "Audit",
  [Kind.COMPONENT]: "Component",
  [Kind.MORE]: "More",
};
const severities: Readonly<Partial<Record<Severity, string>>> = {
  [Severity.INFO]: "Info",
  [Severity.WARNING]: "Warning",
  [Severity.PROBLEM]: "Problem",
};
const tones: Readonly<Partial<Record<Severity, Tone>>> = { [Severity.WARNING]: "waiting", [Severity.PROBLEM]: "bad" };

/** `now` is in milliseconds since 1970. */
export function notificationView(now: number): View<Notification> {
  return {
    name: ({ id }) => `notification/${id}`,
    columns: [
      { head: "ID", cell: ({ id }) => id },
      { head: "SEVERITY", cell: severityOf, tone: (one) => (one.resolvedAt === "" ? tones[one.severity] : undefined) },
      { head: "KIND", cell: kindOf },
      { head: "WHAT", cell: ({ summary }) => summary },
      { head: "LAST", cell: ({ lastAt }) => sinceOf(lastAt, now) },
      { head: "IS", cell: stateOf },
      { head: "COUNT", cell: ({ count }) => String(count), wide: true },
      { head: "PEERS", cell: ({ peers }) => peers.join(","), wide: true },
      { head: "SEEN-BY", cell: ({ acknowledged }) => acknowledged.map(({ name }) => name).join(","), wide: true },
      { head: "WHY", cell: ({ message }) => message, wide: true },
    ],
    json: (one) => {
      const json = toJson(NotificationSchema, one);
      const object: JsonObject = typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
      return { ...object, kind: kindOf(one), severity: severityOf(one) };
    },
    empty: "Nothing is new to you. --all shows also what you have acknowledged.",
    detail: (one) =>
      factLines([
        ["Because", one.message],
        ["First", `${sinceOf(one.firstAt, now)} ago`],
        ["Over", one.resolvedAt && `${sinceOf(one.resolvedAt, now)} ago`],
        ["How often", one.count > 1 ? String(one.count) : ""],
        ["Peers", one.peers.join(", ")],
        ["Seen by", one.acknowledged.map(({ name }) => name).join(", ")],
      ]),
  };
}

function kindOf({ kind }: Notification): string {
  return kinds[kind] ?? "Unknown";
}

function severityOf({ severity }: Notification): string {
  return severities[severity] ?? "Unknown";
}

function stateOf({ resolvedAt }: Notification): string {
  return resolvedAt === "" ? "Living" : "Over";
}
