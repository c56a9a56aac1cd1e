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

/** A DNS label has 63 characters at most. */
const longestLabel = 63;
/** Of 4 bits each: so many that nobody finds a second name with another app's hash. */
const hashLength = 16;

/**
 * A label that two ports would share belongs to neither: both are shown under a name with a hash, so that nobody gets
 * another's host by a clever choice of names. A name with the hash is always valid, and comes before a plain one.
 */
export function indexHostNames(apps: readonly AppView[]): HostNames {
  const doors = apps.flatMap((app) => app.ports.map((port): AppDoor => ({ app, port })));
  const plain = new Map<string, AppDoor | "shared">();
  const hashed = new Map<string, AppDoor>();
  for (const door of doors) {
    for (const label of plainLabels(door)) plain.set(label, plain.has(label) ? "shared" : door);
    hashed.set(hashedLabel(door), door);
  }
  return {
    find(label) {
      const door = hashed.get(label) ?? plain.get(label);
      return door === "shared" ? undefined : door;
    },
    labelOf(door) {
      const [label = ""] = plainLabels(door);
      const known = hashed.get(label) ?? plain.get(label);
      return known === undefined || known === "shared" || doorKey(known) !== doorKey(door) ? hashedLabel(door) : label;
    },
  };
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
