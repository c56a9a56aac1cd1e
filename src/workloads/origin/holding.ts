/** Who may run an app, as it is written on the RemoteApp before anything is said to anybody. Pure. */
import type { RemoteApp } from "../../kube/resources.ts";

/** Keeps a RemoteApp until its hosts have deleted what they ran. */
export const finalizer = "fairlead.dev/remoteapp";

export const annotations = {
  /**
   * The peers that may run the app, by name, with commas between. One is added before the first wish goes there, and removed
   * after it has said that the app is gone.
   */
  heldBy: "fairlead.dev/held-by",
  /** Peers at which the app has ended by itself, since its lease has, and which have not said yet that it is gone there. */
  endedAt: "fairlead.dev/ended-at",
  /** For how many seconds at most holders go on without hearing from here, as `peer=300`. Holders that are not in it go on for ever. */
  leases: "fairlead.dev/leases",
  /** "keep": when the RemoteApp is deleted, its holders go on with what they run, as orphans. */
  onDelete: "fairlead.dev/on-delete",
  /** The UID of an orphan at the peer that this RemoteApp takes over. */
  adopts: "fairlead.dev/adopts",
} as const;

export interface Holding {
  readonly peers: readonly string[];
  readonly ended: readonly string[];
  readonly leases: Readonly<Record<string, number>>;
}

export const nobody: Holding = { peers: [], ended: [], leases: {} };

export function hasFinalizer(app: RemoteApp): boolean {
  return app.metadata.finalizers?.includes(finalizer) ?? false;
}

/** Whether what runs is to go on when the RemoteApp is deleted. */
export function isKept({ metadata }: RemoteApp): boolean {
  return metadata.annotations?.[annotations.onDelete] === "keep";
}

/** Whether it is being deleted and its holders are to know nothing of that but that nobody here knows it any more. */
export function isLeftRunning(app: RemoteApp): boolean {
  return app.metadata.deletionTimestamp !== undefined && isKept(app);
}

/** An app is asked about for each message of a peer, so what was read once is kept with it. */
const cache = new WeakMap<RemoteApp, Holding>();

export function holdingOf(app: RemoteApp): Holding {
  const known = cache.get(app);
  if (known) return known;
  const holding = hasFinalizer(app) ? read(app.metadata.annotations ?? {}) : nobody;
  cache.set(app, holding);
  return holding;
}

function read(given: Readonly<Record<string, string>>): Holding {
  const peers = names(given[annotations.heldBy]);
  const pairs = (given[annotations.leases] ?? "").split(",").map((pair) => pair.split("=", 2));
  const leases = pairs.flatMap(([peer = "", seconds]): [string, number][] =>
    peers.includes(peer) && Number(seconds) > 0 ? [[peer, Number(seconds)]] : [],
  );
  return {
    peers,
    ended: names(given[annotations.endedAt]).filter((name) => !peers.includes(name)),
    leases: Object.fromEntries(leases),
  };
}

/** As it is written; null removes an annotation. */
export function holdingAnnotations({ peers, ended, leases }: Holding): Record<string, string | null> {
  const pairs = peers.flatMap((peer) => (leases[peer] === undefined ? [] : [`${peer}=${leases[peer]}`]));
  const text = (parts: readonly string[]): string | null => (parts.length > 0 ? parts.join(",") : null);
  return {
    [annotations.heldBy]: text(peers),
    [annotations.endedAt]: text(ended),
    [annotations.leases]: text(pairs),
  };
}

/** Whether somebody may still have something of the app. */
export function isHeld({ peers, ended }: Holding): boolean {
  return peers.length > 0 || ended.length > 0;
}

export function sameHolding(a: Holding, b: Holding): boolean {
  const text = (of: Holding): string => JSON.stringify(Object.values(holdingAnnotations(of)));
  return text(a) === text(b);
}

function names(text: string | undefined): string[] {
  const found = (text ?? "").split(",").filter((name) => /^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$/.test(name));
  return [...new Set(found)].sort();
}
