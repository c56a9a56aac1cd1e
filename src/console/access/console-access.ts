/** Who comes to this console and what they may do, for all that let somebody in. */
import type { Clock } from "../../base/clock.ts";
import { type Authenticator, createAuthenticator, type Way } from "../auth/authenticator.ts";
import { createUnderWay } from "../auth/under-way.ts";
import type { Known } from "./concern.ts";
import { createDoorGuard, type DoorGuard } from "./door-guard.ts";
import { createGuard, type Guard } from "./guard.ts";
import type { Refuse } from "./refuser.ts";

export interface ConsoleAccess {
  readonly authenticator: Authenticator;
  /** In front of the API. */
  readonly guard: Guard;
  /** In front of the doors that lead to peers. */
  readonly doors: DoorGuard;
}

export interface ConsoleAccessDeps {
  /** By which people and programs sign in, in the order in which they are asked. */
  readonly ways: readonly Way[];
  /** What of peers is named in requests. */
  readonly known: Known;
  readonly refuse: Refuse;
  readonly clock: Clock;
}

export function createConsoleAccess(deps: ConsoleAccessDeps): ConsoleAccess {
  const authenticator = createAuthenticator(deps.ways);
  const underWay = createUnderWay({ authenticator, clock: deps.clock });
  return {
    authenticator,
    guard: createGuard({ authenticator, underWay, known: deps.known, refuse: deps.refuse }),
    doors: createDoorGuard({ underWay, refuse: deps.refuse }),
  };
}
