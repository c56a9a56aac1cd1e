/**
 * What to do about one RemoteApp now, told from what is known. Pure: the controller does what it says and asks again after
 * every change of anything that is passed in.
 */
import { describe } from "./describe.ts";
import type { Decision, Facts, Happening } from "./facts.ts";
import { hasFinalizer, heldBy } from "./wishes.ts";

export function decide(facts: Facts): Decision {
  const { app, heard } = facts;
  const holder = heldBy(app);
  const wanted = app.spec.peer ?? "";
  const isGone = holder !== undefined && heard?.peer === holder && heard.gone === true;
  const isLost = holder !== undefined && !facts.peer(holder).known;
  if (app.metadata.deletionTimestamp) {
    if (!hasFinalizer(app)) return { happenings: [] };
    if (holder === undefined || isGone) return { hold: null, happenings: [] };
    if (isLost) return { hold: null, happenings: [leftBehind(holder)] };
    return describe(facts);
  }
  if (holder === wanted) return describe(facts);
  const mayMove = holder === undefined || isGone || isLost;
  const isReady = facts.peer(wanted).known && !app.problems?.length;
  if (!mayMove || !isReady) return describe(facts);
  return { hold: wanted, happenings: isLost && holder !== undefined ? [leftBehind(holder)] : [] };
}

function leftBehind(peer: string): Happening {
  const note = `${peer} is no peer any more, so what it may still run of this app was left to it.`;
  return { type: "Warning", reason: "PeerGone", note };
}
