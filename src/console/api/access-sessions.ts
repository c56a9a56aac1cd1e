/** The part of `AccessService` that is about browsers in which somebody is signed in. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type AccessService,
  type BrowserSession,
  BrowserSessionSchema,
} from "../../gen/fairlead/console/v1/access_service_pb.ts";
import { milliTimeText } from "../../kube/time.ts";
import { othersKey } from "../access/guard.ts";
import { ownerKey, type Principal } from "../auth/principal.ts";
import { callerKinds, callerOf } from "./access-caller.ts";
import { type SessionView, sessionList } from "./access-lists.ts";
import type { Listing } from "./listing.ts";

export interface KnownSessions {
  list(): readonly SessionView[];
  /** False when there is none. */
  revoke(id: string, signal: AbortSignal): Promise<boolean>;
}

type Handlers = Pick<ServiceImpl<typeof AccessService>, "listBrowserSessions" | "revokeBrowserSession">;

export function sessionHandlers(sessions: KnownSessions, listing: Listing): Handlers {
  return {
    listBrowserSessions(request, context) {
      const caller = callerOf(context);
      const seen = sessions.list().filter((session) => context.values.get(othersKey) || isOwn(caller, session));
      const { items, ...page } = listing(sessionList, seen, request);
      return {
        ...page,
        browserSessions: items.map((session) => ({
          ...toBrowserSession(session),
          current: caller.credential === `session:${session.id}`,
        })),
      };
    },

    async revokeBrowserSession({ id }, context) {
      const caller = callerOf(context);
      const found = sessions.list().find((session) => session.id === id);
      // Whose it is is told to nobody else.
      const isTheirs = found !== undefined && (context.values.get(othersKey) || isOwn(caller, found));
      if (!isTheirs || !(await sessions.revoke(id, context.signal))) {
        throw new ConnectError(`There is no session ${JSON.stringify(id)} of yours.`, Code.NotFound);
      }
      return {};
    },
  };
}

function isOwn(caller: Principal, session: SessionView): boolean {
  const owner = ownerOfSession(session);
  return owner !== undefined && owner === ownerKey(caller);
}

/** As `ownerKey` says it of its user. */
export function ownerOfSession({ kind, user }: SessionView): string | undefined {
  return ownerKey({ kind, name: user });
}

/** The same for everybody: which is the caller's is added for each. */
export function toBrowserSession(session: SessionView): BrowserSession {
  return create(BrowserSessionSchema, {
    ...session,
    kind: callerKinds[session.kind],
    createdAt: milliTimeText(session.createdAt),
    lastSeenAt: milliTimeText(session.lastSeenAt),
    expiresAt: milliTimeText(session.expiresAt),
  });
}
