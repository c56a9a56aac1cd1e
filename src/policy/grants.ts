/** What is said when a peer lacks a grant: who lacks what, and who can do what about it. */
export function missingGrant(peer: string, grant: string): string {
  return `peer ${peer} has no grant "${grant}" here; the operator of this cluster can give it: fairlead peer grant ${peer} ${grant}`;
}
