/** Notifications as somebody reads them: what is so now, what they have not seen, and where its cause is shown. Pure. */
import {
  Notification_Kind as Kind,
  type Notification,
  Notification_Severity as Severity,
} from "../../../src/gen/fairlead/console/v1/notification_service_pb.ts";
import type { Tone } from "./tone.ts";

export interface Notice {
  readonly id: string;
  readonly tone: Tone;
  readonly summary: string;
  readonly message: string;
  readonly since: string;
  readonly lastAt: string;
  readonly count: number;
  /** The cause is there, and somebody is wanted. */
  readonly isPressing: boolean;
  /** This person has not acknowledged it. */
  readonly isUnread: boolean;
  /** Where its cause is to be seen, and what that is called; undefined while the console has no page for it. */
  readonly way: { readonly href: string; readonly label: string } | undefined;
}

export function toNotice(notification: Notification, person: string): Notice {
  const { id, severity, summary, message, firstAt, lastAt, count, resolvedAt, acknowledged } = notification;
  return {
    ...{ id, summary, message, lastAt, count, since: firstAt },
    tone: toneOf(notification),
    isPressing: resolvedAt === "" && severity >= Severity.WARNING,
    isUnread: !acknowledged.some(({ name }) => name === person),
    way: wayOf(notification),
  };
}

/** What is pressing, the gravest first, of these the latest. */
export function pressing(notices: readonly Notice[]): Notice[] {
  const rank: readonly Tone[] = ["failed", "degraded", "unknown", "held", "progressing", "ok"];
  return notices
    .filter(({ isPressing }) => isPressing)
    .sort((a, b) => rank.indexOf(a.tone) - rank.indexOf(b.tone) || Date.parse(b.lastAt) - Date.parse(a.lastAt));
}

function toneOf({ kind, severity, resolvedAt }: Notification): Tone {
  if (resolvedAt !== "") return "ok";
  if (kind === Kind.INBOX) return "held";
  if (kind === Kind.LINK_DOWN) return "unknown";
  if (severity === Severity.PROBLEM) return kind === Kind.APP_FAILING ? "degraded" : "failed";
  return severity === Severity.WARNING ? "degraded" : "ok";
}

function wayOf({ cause }: Notification): Notice["way"] {
  if (cause.case === "app") {
    const { namespace, name } = cause.value;
    return { href: `/apps?app=${encodeURIComponent(`${namespace}/${name}`)}`, label: "Show app" };
  }
  if (cause.case === "peer") return { href: `/apps?peer=${encodeURIComponent(cause.value)}`, label: "Apps there" };
  return undefined;
}
