/** What is said when it is not about what a peer asks for, but about the peer. */

/** Who lacks what, and who can do what about it. */
export function missingGrant(peer: string, grant: string): string {
  return `peer ${peer} has no grant "${grant}" here; the operator of this cluster can give it: fairlead peer grant ${peer} ${grant} --add`;
}

/** `problem` says which policy it is and what is wrong with it. */
export function notUnderstood(peer: string, problem: string): string {
  return `nothing of peer ${peer} runs or is let through here, because ${problem}; the operator of this cluster can mend it: fairlead policy explain ${peer}`;
}
