import type { PeerStatus } from "../gen/fairlead/resources/v1alpha1/peer_pb.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";

/** An agent that we have paired with, as our operator sees it. Nothing in it is said by the peer itself but its URL. */
export interface Peer {
  /** Ours to choose; unique here. */
  readonly name: string;
  /** Who it is. */
  readonly fingerprint: Fingerprint;
  /** Its CA's certificate, PEM, as the link proved it. */
  readonly caPem: string;
  /** Where it is dialled. Without it and without relays we wait to be dialled. */
  readonly url?: string | undefined;
  readonly outerTls?: PeerOuterTls | undefined;
  /** Peers, by our names for them, that carry the link while it is not dialled directly; in the order in which they are tried. */
  readonly relays?: readonly string[] | undefined;
  /** The operator's; a policy selects by them. */
  readonly labels: Readonly<Record<string, string>>;
  /**
   * What it may do here at all, before any policy. In a store all that was granted, from the roster only what counts at
   * this moment: a grant whose time is over is as good as withdrawn.
   */
  readonly grants: readonly string[];
  /** Until when a grant counts, in milliseconds since 1970, by its name. One that is not in it counts until it is withdrawn. */
  readonly grantsUntil?: Readonly<Record<string, number>> | undefined;
  /** What a person decided about targets that it wants to reach. At most {@link mostTunnelDecisions}, one for each target. */
  readonly tunnelDecisions?: readonly TunnelDecision[] | undefined;
}

/** A person's word about one target that a peer wants to reach here. */
export interface TunnelDecision {
  /** As people read it: "app/shop/web", "service/default/db:5432", "kubernetes". */
  readonly target: string;
  readonly verdict: "Approved" | "Denied";
  /** Who decided, as the console knows them. */
  readonly by?: string | undefined;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Why; the peer sees it. */
  readonly message?: string | undefined;
  /** From then on it is as if nobody had decided; milliseconds since 1970. For ever unless given. */
  readonly until?: number | undefined;
}

/** Decisions that a peer's record holds. */
export const mostTunnelDecisions = 256;

/** How the TLS of a wss:// URL is checked for this peer, instead of the agent's own settings. */
export interface PeerOuterTls {
  readonly rootCaPem?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** That the pairing ended. The record stays, so that the name is not given to another agent by accident. */
export interface Removal {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** What becomes of the workloads that it runs here. */
  readonly workloads: "Keep" | "Delete";
  /** It was not there to hear of it. */
  readonly forced: boolean;
}

export interface PeerRecord {
  readonly peer: Peer;
  readonly removal?: Removal | undefined;
}

export interface StoredPeer extends PeerRecord {
  /** Opaque; equal means unchanged. */
  readonly version: string;
  /** Counts changes of what the operator wants; 0 where the store does not count. */
  readonly generation: number;
  /** What it said of itself when it was last heard, from the status; its version among it. */
  readonly facts?: Readonly<Record<string, string>> | undefined;
  /** The short words of the pairing, from the status. */
  readonly words?: string | undefined;
}

/** Relays that a peer may have. */
export const mostRelays = 8;

/** What a peer may be granted. */
export const knownGrants = ["apps", "tunnels", "kubectl", "deliveries", "relay"] as const;

/**
 * Where peers are kept: custom resources in a cluster, files outside one. A listener of `watch` is told everything that
 * is stored, then each change, in an order in which no record goes back to an older version.
 */
export interface PeerStore {
  watch(listener: (name: string, stored: StoredPeer | undefined) => void): () => void;
  /** Resolves when everything that was stored at the start has been told. */
  synced(signal: AbortSignal): Promise<void>;
  /** As it is stored now, not as it was last told. */
  get(name: string, signal: AbortSignal): Promise<StoredPeer | undefined>;
  /**
   * Writes if the record still has `version`, or if there is none and `version` is undefined; decided by the store in one
   * step. Answers with what is stored, or undefined when somebody else was first. The status is left alone.
   */
  put(record: PeerRecord, version: string | undefined, signal: AbortSignal): Promise<StoredPeer | undefined>;
  /**
   * Says how a peer is. Returns at once: the store writes it when it differs, at most once a second a peer, the latest
   * word last, and tries again when that fails.
   */
  writeStatus(name: string, status: PeerStatus): void;
  close(): Promise<void>;
}
