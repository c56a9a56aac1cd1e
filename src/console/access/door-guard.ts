/** Whether somebody may come in at a door that leads to a peer. */
import { type Door, DoorSchema } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { Principal } from "../auth/principal.ts";
import type { UnderWay } from "../auth/under-way.ts";
import { accessOfDoor } from "./access-of.ts";
import type { About } from "./concern.ts";
import { decide } from "./decide.ts";
import type { Refuse } from "./refuser.ts";

/** Where a door leads: to the peer that the request names, or to one found by what it names, if there is such a thing. */
export type Whither = { readonly named: string } | { readonly found: string | undefined };

export interface DoorGuard {
  /**
   * What stands against it; undefined if nothing does on this side. Asked also of what does not exist, before that is said: who may not
   * see a thing gets the same answer either way.
   */
  refuses(principal: Principal, door: Door, to: Whither): string | undefined;
  /** Ends it by `breakOff` when they may no longer, until the answer is called. */
  hold(principal: Principal, door: Door, peer: string, breakOff: () => void): () => void;
}

export function createDoorGuard(deps: {
  readonly underWay: Pick<UnderWay, "hold">;
  readonly refuse: Refuse;
}): DoorGuard {
  const judge = (principal: Principal, door: Door, about: About) => decide(principal, accessOfDoor(door), about);
  return {
    refuses(principal, door, to) {
      const decision = judge(principal, door, aboutOf(to));
      if (decision.ok) return undefined;
      const what = "named" in to ? `${doorWord(door)} door of ${to.named}` : `${doorWord(door)} door`;
      return deps.refuse(decision, { principal, what: what }).rawMessage;
    },
    hold: (principal, door, peer, breakOff) =>
      deps.underWay.hold(principal.credential, (now) => judge(now, door, { said: [peer] }).ok, breakOff),
  };
}

function aboutOf(to: Whither): About {
  if ("named" in to) return { said: [to.named] };
  return { said: [], found: to.found === undefined ? "nothing" : [to.found] };
}

function doorWord(door: Door): string {
  return DoorSchema.value[door]?.localName.toLowerCase() ?? "";
}
