/** Names of peers. They become parts of namespaces (`fairlead-peer-<name>`), of hosts and of kubectl contexts. */
import { PeeringError } from "./error.ts";
import { knownGrants } from "./peer.ts";

/** Longest name: what resources say of a peer has room for 48 characters. A namespace would have for one more. */
const longestPeerName = 48;

export function isPeerName(name: string): boolean {
  return name.length <= longestPeerName && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name);
}

/** Throws, saying what a name may be, unless it is one. */
export function checkPeerName(name: string): void {
  if (isPeerName(name)) return;
  throw new PeeringError(
    "invalid",
    `"${name.slice(0, 80)}" cannot be a peer's name: up to ${longestPeerName} small letters, digits and dashes, no dash at the ends.`,
  );
}

/** What is nearest to a name that somebody else suggests; "peer" when nothing is left of it. */
export function toPeerName(suggestion: string): string {
  const name = suggestion
    .slice(0, 256)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/^-+/, "")
    .slice(0, longestPeerName)
    .replace(/-+$/, "");
  return name === "" ? "peer" : name;
}

/** The suggestion as a name, with a number behind it when it is taken: "berlin", "berlin-2". */
export function findFreeName(suggestion: string, isTaken: (name: string) => boolean): string {
  const base = toPeerName(suggestion);
  if (!isTaken(base)) return base;
  for (let number = 2; ; number += 1) {
    const tail = `-${number}`;
    const name = base.slice(0, longestPeerName - tail.length).replace(/-+$/, "") + tail;
    if (!isTaken(name)) return name;
  }
}

/** The error for a name that a peer has, or one had that was removed: what to try differs. */
export function nameTaken(name: string, state: "taken" | "removed"): PeeringError {
  return new PeeringError(
    "name-taken",
    state === "taken"
      ? `There is a peer "${name}" already. Choose another name.`
      : `The name "${name}" belonged to a peer that was removed. Choose another, or take it again with --reuse-name.`,
  );
}

/** Throws, naming it, when a grant or a label is none. */
export function checkGrantsAndLabels(grants: readonly string[], labels: Readonly<Record<string, string>>): void {
  for (const grant of grants) {
    if (knownGrants.some((known) => known === grant)) continue;
    throw new PeeringError(
      "invalid",
      `There is no grant "${grant.slice(0, 63)}"; there are ${knownGrants.join(", ")}.`,
    );
  }
  for (const [key, value] of Object.entries(labels)) {
    if (isLabelKey(key) && isLabelValue(value)) continue;
    throw new PeeringError("invalid", `"${key.slice(0, 80)}=${value.slice(0, 80)}" cannot be a label in Kubernetes.`);
  }
}

function isLabelKey(key: string): boolean {
  const [name = "", prefix, more] = key.split("/").reverse();
  if (more !== undefined || !/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(name)) return false;
  return prefix === undefined || (prefix.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(prefix));
}

function isLabelValue(value: string): boolean {
  return /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/.test(value);
}
