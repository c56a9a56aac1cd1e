/** People and programs who come to a console, for tests of what it lets them do. */
import type { Interceptor } from "@connectrpc/connect";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { Known } from "../../src/console/access/concern.ts";
import { type ConsoleAccess, createConsoleAccess } from "../../src/console/access/console-access.ts";
import type { DoorGuard } from "../../src/console/access/door-guard.ts";
import { createRefuser } from "../../src/console/access/refuser.ts";
import type { Way } from "../../src/console/auth/authenticator.ts";
import { type Principal, principalKey, type RoleBinding } from "../../src/console/auth/principal.ts";
import { bearerToken } from "../../src/console/auth/token.ts";
import { Role } from "../../src/gen/fairlead/console/v1/access_pb.ts";

/** Somebody; an administrator unless said otherwise. */
export function person(name: string, roles: readonly RoleBinding[] = [{ role: Role.ADMIN, peers: "all" }]): Principal {
  return { name, kind: "token", roles, credential: `test:${name}` };
}

/** A way in for whoever is in it now, by the token of their name: what they may do can be changed, and all of it be taken away. */
export interface Office extends Way {
  readonly people: Map<string, Principal>;
}

export function createOffice(people: Readonly<Record<string, Principal>> = {}): Office {
  const known = new Map(Object.entries(people));
  return {
    people: known,
    authenticate: async ({ authorization }) => known.get(bearerToken(authorization) ?? ""),
    present: (credential) => [...known.values()].find((one) => one.credential === credential),
  };
}

/** For services that are called without a guard in front of them. */
export function calledBy(principal: Principal): Interceptor {
  return (next) => (request) => {
    request.contextValues.set(principalKey, principal);
    return next(request);
  };
}

/** Keeps nobody out. */
export const openDoors: DoorGuard = { refuses: () => undefined, hold: () => () => undefined };

/** For a console that people come to by these ways. */
export function accessBy(ways: readonly Way[], clock: Clock = systemClock, known: Partial<Known> = {}): ConsoleAccess {
  return createConsoleAccess({
    ways,
    known: {
      peersOfApp: () => undefined,
      namesMore: () => false,
      peerOfWorkload: () => undefined,
      concernOfForward: () => undefined,
      peerOfForward: () => undefined,
      ...known,
    },
    refuse: createRefuser({ admins: () => ["grace"], refused: () => undefined }),
    clock,
  });
}
