/** What is known about one RemoteApp, and what follows from it. */
import type { RemoteAppStatus } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Refusal } from "../../intent/wish.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import type { HostStatus } from "./host-status.ts";
import type { Word } from "./wishes.ts";

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
  /** Why wishes do not reach it although it is connected. */
  readonly trouble?: string | undefined;
}

export interface Facts {
  readonly app: RemoteApp;
  /** The status that was decided last, written or not; else the one that is stored. */
  readonly before: RemoteAppStatus | undefined;
  readonly heard: Heard | undefined;
  /** What is to be said of it. */
  readonly word: Word;
  peer(name: string): PeerView;
  /** Wall time in milliseconds. */
  readonly now: number;
}

export interface Happening {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly note: string;
}

/** For the record. */
export interface HostAnswer {
  readonly verdict: "Admitted" | "Held" | "Denied";
  readonly rule?: string;
  readonly message?: string;
}

export interface Decision {
  /** Metadata to write: the peer that holds the app with the finalizer set, or null to give the RemoteApp free. */
  readonly hold?: string | null;
  /** The status to write; undefined to leave it. */
  readonly status?: RemoteAppStatus;
  readonly happenings: readonly Happening[];
  /** What the host decided about the wish, when that is news. */
  readonly answer?: HostAnswer;
  /** Ask again after so many milliseconds even if nothing happens. */
  readonly againMs?: number;
}
