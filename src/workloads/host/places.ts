/**
 * Who takes how much of the room here: what runs, and what was admitted and is being written down. Both count, so that two
 * wishes at once never both get the last place, and a write that is under way is not forgotten when news of an older state
 * comes.
 */
import type { Quantity } from "../../policy/quantity.ts";
import { type Taken, UsageLedger, type UsageOwner } from "../../policy/usage.ts";

/** An app that runs nothing: it still counts as one. */
export const noDemand: Taken = { images: [], total: new Map() };

export interface Places {
  readonly ledger: Pick<UsageLedger, "of" | "total" | "images">;
  /** States what an app takes by what is stored of it; undefined when nothing is. */
  take(owner: UsageOwner, demand: Taken | undefined): void;
  /** Keeps room for what was admitted and is not stored yet. */
  reserve(owner: UsageOwner, demand: Taken): void;
  /** Ends what `reserve` began. */
  release(owner: UsageOwner): void;
}

interface Place {
  taken?: Taken;
  reserved?: Taken;
  /** What the ledger was told last. */
  counted?: Taken;
}

/** `onFreed` is called when something got smaller or went, and others may have room now. */
export function createPlaces(onFreed: () => void): Places {
  const ledger = new UsageLedger();
  const places = new Map<string, Place>();

  function change(owner: UsageOwner, edit: (place: Place) => void): void {
    const name = `${owner.fingerprint} ${owner.key}`;
    const place = places.get(name) ?? {};
    edit(place);
    const { counted, taken, reserved } = place;
    const now = taken && reserved ? larger(taken, reserved) : (reserved ?? taken);
    if (now) places.set(name, { ...place, counted: now });
    else places.delete(name);
    if (now === counted) return;
    ledger.set(owner, now);
    if (counted && isLess(now, counted)) onFreed();
  }

  return {
    ledger,
    take: (owner, demand) => change(owner, (place) => assign(place, "taken", demand)),
    reserve: (owner, demand) => change(owner, (place) => assign(place, "reserved", demand)),
    release: (owner) => change(owner, (place) => assign(place, "reserved", undefined)),
  };
}

function assign(place: Place, part: "taken" | "reserved", demand: Taken | undefined): void {
  if (demand) place[part] = demand;
  else delete place[part];
}

/** Of each amount the larger, since either may be what runs in the end. */
export function larger(a: Taken, b: Taken): Taken {
  if (a === b) return a;
  const total = new Map<string, Quantity>(a.total);
  for (const [name, quantity] of b.total) {
    const known = total.get(name);
    if (known === undefined || known < quantity) total.set(name, quantity);
  }
  return { images: [...new Set([...a.images, ...b.images])], total };
}

function isLess(now: Taken | undefined, before: Taken): boolean {
  if (!now) return true;
  for (const [name, quantity] of before.total) if ((now.total.get(name) ?? 0n) < quantity) return true;
  return false;
}
