/** Times as Kubernetes writes them: RFC 3339 in UTC. Pure. */

/** In whole seconds. */
export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** With microseconds, as an Event's `eventTime` has them. */
export function microTimeText(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}
