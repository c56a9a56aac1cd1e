/** A peer as it is named where a word could also be a command: `peer/list` is the peer called "list". Pure. */
export function namedPeer(word: string): string {
  return word.startsWith("peer/") ? word.slice("peer/".length) : word;
}
