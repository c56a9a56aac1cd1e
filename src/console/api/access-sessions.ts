/** The part of `AccessService` that is about browsers in which somebody is signed in. */
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { AccessService } from "../../gen/fairlead/console/v1/access_service_pb.ts";
import type { Principal } from "../auth/principal.ts";
import { callerKinds, isAdmin, settledCaller } from "./access-caller.ts";
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
      const caller = settledCaller(context);
      const seen = sessions.list().filter((session) => isAdmin(caller) || isOwn(caller, session));
      const { items, ...page } = listing(sessionList, seen, request);
      return {
        ...page,
        sessions: items.map(({ kind, createdAt, lastSeenAt, expiresAt, ...session }) => ({
          ...session,
          kind: callerKinds[kind],
          createdAt: timeText(createdAt),
          lastSeenAt: timeText(lastSeenAt),
          expiresAt: timeText(expiresAt),
          current: caller.credential === `session:${session.id}`,
        })),
      };
    },

    async revokeBrowserSession({ id }, context) {
      const caller = settledCaller(context);
      const found = sessions.list().find((session) => session.id === id);
      // Whose it is is told to nobody else.
      const isTheirs = found !== undefined && (isAdmin(caller) || isOwn(caller, found));
      if (!isTheirs || !(await sessions.revoke(id, context.signal))) {
        throw new ConnectError(`There is no session ${JSON.stringify(id)} of yours.`, Code.NotFound);
      }
      return {};
    },
  };
}

function isOwn({ kind, name }: Principal, session: SessionView): boolean {
  return kind === session.kind && name === session.user;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
