/** `NotificationService`: what needs somebody, and who has seen it. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  AcknowledgeNotificationsRequestSchema,
  Notification_Kind as Kind,
  type Notification,
  NotificationSchema,
  type NotificationService,
  Notification_Severity as Severity,
} from "../../gen/fairlead/console/v1/notification_service_pb.ts";
import { milliTimeText } from "../../kube/time.ts";
import { sees, viewOf } from "../access/decide.ts";
import { principalKey } from "../auth/principal.ts";
import { isAcknowledged, type Notification as Kept, type NotificationKind } from "../notifications/ledger.ts";
import type { Notifications } from "../notifications/notifications.ts";
import { timeIn } from "./broken-rule.ts";
import type { Listing } from "./listing.ts";
import { notificationList } from "./lists.ts";

export type NotificationServiceDeps = Pick<Notifications, "list" | "acknowledge">;

export function createNotificationService(
  deps: NotificationServiceDeps,
  listing: Listing,
): ServiceImpl<typeof NotificationService> {
  function shown({ values }: HandlerContext): Kept[] {
    const view = viewOf(values.get(principalKey));
    return deps.list().filter(({ peers }) => sees(view, peers.length === 0 ? "all" : peers));
  }

  return {
    listNotifications(request, context) {
      const name = nameOf(context);
      const wanted = shown(context).filter((one) => {
        if (request.living && one.resolvedAt !== undefined) return false;
        return !(request.unacknowledged && isAcknowledged(one, name));
      });
      const { items, ...page } = listing(notificationList, wanted, request);
      return { ...page, notifications: items.map(toNotification) };
    },

    acknowledgeNotifications({ ids, until }, context) {
      const untilMs =
        until === "" ? Number.NEGATIVE_INFINITY : timeIn(AcknowledgeNotificationsRequestSchema, "until", until);
      const wanted = shown(context).filter(({ id, lastAt }) => lastAt <= untilMs || ids.includes(id));
      const acknowledged = deps.acknowledge(
        wanted.map(({ id }) => id),
        nameOf(context),
      );
      return { acknowledged };
    },
  };
}

/** The same for everybody who may see it. */
export function toNotification(kept: Kept): Notification {
  const { kind, severity, about, firstAt, lastAt, resolvedAt, acknowledged, peers, id, summary, message, count } = kept;
  return create(NotificationSchema, {
    ...{ id, summary, message, count, peers: [...peers] },
    kind: kinds[kind],
    severity: severities[severity],
    cause: causeOf(about),
    firstAt: milliTimeText(firstAt),
    lastAt: milliTimeText(lastAt),
    resolvedAt: resolvedAt === undefined ? "" : milliTimeText(resolvedAt),
    acknowledged: acknowledged.map(({ name, at }) => ({ name, at: milliTimeText(at) })),
  });
}

const kinds: Readonly<Record<NotificationKind, Kind>> = {
  Inbox: Kind.INBOX,
  AppFailing: Kind.APP_FAILING,
  AppRefused: Kind.APP_REFUSED,
  LinkDown: Kind.LINK_DOWN,
  PeerJoined: Kind.PEER_JOINED,
  Certificate: Kind.CERTIFICATE,
  VersionSkew: Kind.VERSION_SKEW,
  Audit: Kind.AUDIT,
  Component: Kind.COMPONENT,
  More: Kind.MORE,
};

const severities: Readonly<Record<Kept["severity"], Severity>> = {
  Info: Severity.INFO,
  Warning: Severity.WARNING,
  Problem: Severity.PROBLEM,
};

function causeOf(about: Kept["about"]) {
  if ("peer" in about) return { case: "peer", value: about.peer } as const;
  if ("app" in about) return { case: "app", value: about.app } as const;
  if ("inboxItem" in about) return { case: "inboxItem", value: about.inboxItem } as const;
  if ("component" in about) return { case: "component", value: about.component } as const;
  return { case: "certificate", value: about.certificate } as const;
}

function nameOf({ values }: HandlerContext): string {
  const principal = values.get(principalKey);
  if (principal) return principal.name;
  throw new ConnectError("nobody is signed in", Code.Unauthenticated);
}
