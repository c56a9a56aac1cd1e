/** Whether somebody may come in at a door that leads to a peer. */
import { type Door, DoorSchema } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { Principal } from "../auth/principal.ts";
import type { UnderWay } from "../auth/under-way.ts";
import { accessOfDoor } from "./access-of.ts";
import { decide } from "./decide.ts";
import type { Refuse } from "./refuser.ts";

export interface DoorGuard {
  /** What stands against it; undefined if nothing does on this side. */
  refuses(principal: Principal, door: Door, peer: string): string | undefined;
  /** Ends it by `breakOff` when they may no longer, until the answer is called. */
  hold(principal: Principal, door: Door, peer: string, breakOff: () => void): () => void;
}

export function createDoorGuard(deps: {
  readonly underWay: Pick<UnderWay, "hold">;
  readonly refuse: Refuse;
}): DoorGuard {
  const judge = (principal: Principal, door: Door, peer: string) => decide(principal, accessOfDoor(door), [peer]);
  return {
    refuses(principal, door, peer) {
      const decision = judge(principal, door, peer);
      if (decision.ok) return undefined;
      return deps.refuse(decision, { principal, what: `${doorWord(door)} door of ${peer}` }).rawMessage;
    },
    hold: (principal, door, peer, breakOff) =>
      deps.underWay.hold(principal.credential, (now) => judge(now, door, peer).ok, breakOff),
  };
}

function doorWord(door: Door): string {
  return DoorSchema.value[door]?.localName.toLowerCase() ?? "";
}
