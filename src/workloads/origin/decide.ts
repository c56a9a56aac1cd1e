/**
 * What to do about one RemoteApp now, told from what is known. Pure: the controller does what it says and asks again after
 * every change of anything that is passed in.
 */
import type { RemoteAppStatus } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Refusal } from "../../intent/wish.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import { describe } from "./describe.ts";
import type { HostStatus } from "./host-status.ts";
import { hasFinalizer, heldBy } from "./wishes.ts";

/** What was heard about the app from the peer that holds it, since this process started. */
export interface Heard {
  readonly peer: string;
  readonly state?: {
    readonly generation: number;
    readonly hash: string;
    readonly status: HostStatus;
    readonly at: number;
  };
  /** The answer to the wish with this hash. */
  readonly refused?: { readonly hash: string; readonly refusal: Refusal };
  /** The host said that it holds nothing of the app any more. */
  readonly gone?: boolean;
}

/** A peer as the roster and the link know it. */
export interface PeerView {
  readonly known: boolean;
  readonly connected: boolean;
  /** Since when it is connected or not, milliseconds since 1970. */
  readonly since: number;
}

export interface Facts {
  readonly app: RemoteApp;
  /** The status that was decided last, written or not; else the one that is stored. */
  readonly before: RemoteAppStatus | undefined;
  readonly heard: Heard | undefined;
  peer(name: string): PeerView;
  /** Wall time in milliseconds. */
  readonly now: number;
}

export interface Happening {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly note: string;
}

export interface Decision {
  /** Metadata to write: the peer that holds the app with the finalizer set, or null to give the RemoteApp free. */
  readonly hold?: string | null;
  /** The status to write; undefined to leave it. */
  readonly status?: RemoteAppStatus;
  readonly happenings: readonly Happening[];
  /** Ask again after so many milliseconds even if nothing happens. */
  readonly againMs?: number;
}

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
