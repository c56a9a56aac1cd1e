/** What is known about one RemoteApp, and what follows from it. */
import type { RemoteAppStatus } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Refusal } from "../../intent/wish.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import type { Holding } from "./holding.ts";
import type { HostStatus } from "./host-status.ts";
import type { Would } from "./place.ts";
import type { Word } from "./wishes.ts";

/** What was heard about the app from a peer that holds it, since this process started. */
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

/** A peer that an app may be placed at. */
export interface NamedPeer {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What it says of itself; undefined before it has said anything. */
  readonly facts: Readonly<Record<string, string>> | undefined;
}

export interface Facts {
  readonly app: RemoteApp;
  /** The status that was decided last, written or not; else the one that is stored. */
  readonly before: RemoteAppStatus | undefined;
  readonly heard: readonly Heard[];
  /** What is to be said of it. */
  readonly word: Word;
  peer(name: string): PeerView;
  /** All peers. */
  peers(): readonly NamedPeer[];
  /** What a peer said that it would do with the present spec, when it was asked or did it. */
  would(peer: string): Would | undefined;
  /** In how many milliseconds the peer has surely ended the app by itself, unless it hears from here before; not above 0: it has. */
  endsInMs(peer: string): number;
  /** Wall time in milliseconds. */
  readonly now: number;
}

/** Where an app is to run. */
export interface Target {
  readonly chosen: readonly string[];
  readonly limit: number;
  /** Of a placement: how many peers are missing, were chosen from, and of these are connected. */
  readonly found?: { readonly missing: number; readonly matching: number; readonly connected: number };
}

export interface Happening {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly note: string;
}

/** For the record. */
export interface HostAnswer {
  readonly peer: string;
  readonly verdict: "Admitted" | "Held" | "Denied";
  readonly rule?: string;
  readonly message?: string;
}

export interface Decision {
  /** Metadata to write: the peers that may have something of the app, with the finalizer set, or nobody to give the RemoteApp free. */
  readonly hold?: Holding;
  /** The holders that are to end it. */
  readonly leaving: readonly string[];
  /** The status to write; undefined to leave it. */
  readonly status?: RemoteAppStatus;
  readonly happenings: readonly Happening[];
  /** What hosts decided about the wish, when that is news. */
  readonly answers: readonly HostAnswer[];
  /** Peers of which it is worth knowing whether they would run the app. */
  readonly ask: readonly string[];
  /** Ask again after so many milliseconds even if nothing happens. */
  readonly againMs?: number;
}
