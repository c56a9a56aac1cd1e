/**
 * The host names of apps: `<app>-<namespace>-<port>.<domain>`. A name is never split, because "a-b-c" may be read in two
 * ways; it is looked up among those of the apps that exist. Pure.
 */
import { createHash } from "node:crypto";
import { type AppDoor, type AppView, doorKey } from "./app-view.ts";

export interface HostNames {
  /** The port of an app behind a label, as the browser sent it in lower case. */
  find(label: string): AppDoor | undefined;
  /** The label under which this port is shown. */
  labelOf(door: AppDoor): string;
}

/** An index that follows its apps: each change costs what the app has of ports, however many other apps there are. */
export interface HostNameIndex extends HostNames {
  /** Puts the app in place of what was known under its name; without one, forgets it. */
  set(namespace: string, name: string, app: AppView | undefined): void;
}

/** A DNS label has 63 characters at most. */
const longestLabel = 63;
/** Of 4 bits each: so many that nobody finds a second name with another app's hash. */
const hashLength = 16;

/** What one app has in the index. */
interface Entry {
  readonly door: AppDoor;
  readonly plain: readonly string[];
  readonly hashed: string;
}

/**
 * A label that two ports would share belongs to neither: both are shown under a name with a hash, so that nobody gets
 * another's host by a clever choice of names. A name with the hash is always valid, and comes before a plain one.
 */
export function indexHostNames(apps: readonly AppView[]): HostNameIndex {
  const entries = new Map<string, readonly Entry[]>();
  const plain = new Map<string, Set<AppDoor>>();
  const hashed = new Map<string, AppDoor>();

  function forget({ door, ...labels }: Entry): void {
    if (hashed.get(labels.hashed) === door) hashed.delete(labels.hashed);
    for (const label of labels.plain) {
      const doors = plain.get(label);
      doors?.delete(door);
      if (doors?.size === 0) plain.delete(label);
    }
  }

  function add({ door, ...labels }: Entry): void {
    hashed.set(labels.hashed, door);
    for (const label of labels.plain) {
      const doors = plain.get(label) ?? new Set();
      plain.set(label, doors.add(door));
    }
  }

  function find(label: string): AppDoor | undefined {
    const known = hashed.get(label);
    if (known) return known;
    const [door, ...others] = plain.get(label) ?? [];
    return others.length > 0 ? undefined : door;
  }

  const index: HostNameIndex = {
    find,
    labelOf(door) {
      const [label = ""] = plainLabels(door);
      const known = find(label);
      return known === undefined || doorKey(known) !== doorKey(door) ? hashedLabel(door) : label;
    },
    set(namespace, name, app) {
      const key = `${namespace}/${name}`;
      for (const entry of entries.get(key) ?? []) forget(entry);
      entries.delete(key);
      if (!app) return;
      const now = app.ports.map((port): Entry => {
        const door = { app, port };
        return { door, plain: plainLabels(door), hashed: hashedLabel(door) };
      });
      now.forEach(add);
      entries.set(key, now);
    },
  };
  for (const app of apps) index.set(app.namespace, app.name, app);
  return index;
}

/** With the port's name, if it has one, and with its number; none when they would be too long. */
function plainLabels({ app, port }: AppDoor): string[] {
  const ports = new Set([...(port.name ? [port.name] : []), String(port.number)]);
  return [...ports].map((text) => readable(app, text)).filter((label) => label.length <= longestLabel);
}

function hashedLabel({ app, port }: AppDoor): string {
  const exact = `${app.namespace}/${app.name}/${port.number}`;
  const hash = createHash("sha256").update(exact).digest("hex").slice(0, hashLength);
  const start = readable(app, port.name || String(port.number)).slice(0, longestLabel - hashLength - 1);
  return `${start.replace(/-+$/, "")}-${hash}`;
}

/** Names of apps may have dots, which would make a deeper domain. */
function readable(app: AppView, port: string): string {
  return `${app.name}-${app.namespace}-${port}`.replaceAll(".", "-");
}
