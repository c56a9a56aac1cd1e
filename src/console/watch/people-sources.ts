/** Who may sign in, by what, and who has: what is kept of them without what they show for it. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { BrowserSessionSchema, TokenSchema, UserSchema } from "../../gen/fairlead/console/v1/access_service_pb.ts";
import { Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { SessionView } from "../api/access-lists.ts";
import { toUser } from "../api/access-service.ts";
import { ownerOfSession, toBrowserSession } from "../api/access-sessions.ts";
import { ownerOfToken, toToken } from "../api/access-tokens.ts";
import { seenEachMs } from "../auth/session-record.ts";
import type { Token } from "../auth/token-record.ts";
import type { Tokens } from "../auth/tokens.ts";
import type { User } from "../auth/user-record.ts";
import type { Users } from "../auth/users.ts";
import { type Listed, listed, listSource } from "./list-source.ts";
import { agentsOwn } from "./logged.ts";
import type { WatchSource } from "./sources.ts";

export interface PeopleSourcesDeps {
  readonly users: Pick<Users, "list" | "get">;
  readonly tokens: Pick<Tokens, "list" | "rolesOf">;
  readonly sessions: { list(): readonly SessionView[] };
  /** Told that any of them may have changed. */
  readonly kept: { subscribe(listener: () => void): () => void };
  readonly clock: Clock;
  readonly log: Log;
}

/** A session that nobody uses ends by the time; so often it is looked whether one has, in milliseconds. */
const idleLookMs = 60_000;

export function peopleSources({ users, tokens, sessions, kept, clock, log }: PeopleSourcesDeps): WatchSource[] {
  const same = { subscribe: kept.subscribe, clock, log };
  return [
    listSource({ ...same, topic: Topic.USERS, list: () => users.list().map(listedUser) }),
    listSource({
      ...same,
      topic: Topic.TOKENS,
      list: () => tokens.list().map((token) => listedToken(token, { users, tokens })),
      changesIn() {
        const ends = tokens.list().flatMap(({ expiresAt }) => (expiresAt > clock.now() ? [expiresAt] : []));
        return ends.length > 0 ? Math.min(...ends) - clock.now() : undefined;
      },
    }),
    listSource({
      ...same,
      topic: Topic.BROWSER_SESSIONS,
      list: () => sessions.list().map(listedSession),
      changesIn: (all) => (all.length > 0 ? idleLookMs : undefined),
    }),
  ];
}

function listedUser(user: User): Listed {
  const value = toUser(user);
  return listed({ namespace: "", name: user.name }, agentsOwn, UserSchema, value, () => ({ case: "user", value }));
}

function listedToken(token: Token, { users, tokens }: Pick<PeopleSourcesDeps, "users" | "tokens">): Listed {
  const value = toToken(token, tokens);
  const traits = { ...agentsOwn, owner: ownerOfToken(token, users) };
  return listed({ namespace: "", name: token.id }, traits, TokenSchema, value, () => ({ case: "token", value }));
}

/** When it was seen last is told as often as it is written. */
function listedSession(session: SessionView): Listed {
  const lastSeenAt = Math.floor(session.lastSeenAt / seenEachMs) * seenEachMs;
  const value = toBrowserSession(session);
  const state = toBrowserSession({ ...session, lastSeenAt });
  const traits = { ...agentsOwn, owner: ownerOfSession(session) };
  const ref = { namespace: "", name: session.id };
  return listed(ref, traits, BrowserSessionSchema, state, () => ({ case: "browserSession", value }));
}
