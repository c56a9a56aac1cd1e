import type { Link } from "../link/link.ts";
import type { SessionStats } from "../wire/session.ts";

/** How the link to a peer is. */
export interface LinkStatus {
  /** Connected: the link has a carrier. Connecting: not for long yet. Disconnected: it failed, or nobody came. */
  readonly state: "connected" | "connecting" | "disconnected";
  /** Since when it is connected, or not, in milliseconds since 1970. */
  readonly since: number;
  /**
   * Whether there is a link, be it one that has lost its carrier and goes on at the next: what runs on it has not ended, and is not
   * to be begun anew.
   */
  readonly held: boolean;
  /** Rises with each new link; who keeps a call open on the link begins it anew when this changed. */
  readonly epoch: number;
  /** Of the latest ping, in milliseconds. */
  readonly roundTripMs?: number | undefined;
  /** Numbers of the link that counts; undefined without one. */
  readonly session?: SessionStats | undefined;
  /** When anything was last heard, in milliseconds since 1970. */
  readonly lastSeenAt?: number | undefined;
  /** What went wrong last, for people. */
  readonly lastError?: string | undefined;
  /** Who dialled the link's present carrier, or which peer carries it. */
  readonly path?: "dialled" | "accepted" | `through ${string}` | undefined;
  /** Our name for the peer that carries the link; its fingerprint, if it is none any more. Undefined when the link is direct. */
  readonly through?: string | undefined;
  readonly remoteAddress?: string | undefined;
  /** What the other end's Hello says: its version, and the instance id in hex. */
  readonly version?: string | undefined;
  readonly instance?: string | undefined;
}

/** Pure. `nameOf` says what we call another agent. */
export function pathOf(
  { dialled, through }: Pick<Link, "dialled" | "through">,
  nameOf: (fingerprint: string) => string,
): Pick<LinkStatus, "path" | "through"> {
  if (through === undefined) return { path: dialled ? "dialled" : "accepted" };
  const name = nameOf(through);
  return { path: `through ${name}`, through: name };
}
