/** Times as Kubernetes writes them: RFC 3339 in UTC. Pure. */

/** In whole seconds. */
export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** With milliseconds, as this agent itself tells of what it knows so exactly. */
export function milliTimeText(ms: number): string {
  return new Date(ms).toISOString();
}

/** With microseconds, as an Event's `eventTime` has them. */
export function microTimeText(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000Z");
}

/** Without its zone a time would be that of whoever reads it. */
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

/** Milliseconds since 1970 of a time as RFC 3339 has it; undefined for anything else, also for what `Date` would guess at. */
export function readTime(text: string): number | undefined {
  const ms = rfc3339.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
