/** How long ago something was, in as few letters as say it. Pure. */

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** "12 s", "4 min", "3 h", "2 d", "5 mo", "2 y"; empty for what is no time. What is to come counts as now. */
export function ageOf(at: string, now: number): string {
  const time = Date.parse(at);
  if (Number.isNaN(time)) return "";
  const ms = Math.max(0, now - time);
  if (ms < minute) return `${Math.floor(ms / second)} s`;
  if (ms < hour) return `${Math.floor(ms / minute)} min`;
  if (ms < day) return `${Math.floor(ms / hour)} h`;
  if (ms < 60 * day) return `${Math.floor(ms / day)} d`;
  if (ms < 730 * day) return `${Math.floor(ms / (30 * day))} mo`;
  return `${Math.floor(ms / (365 * day))} y`;
}

/** As ageOf, in a sentence: "4 min ago". */
export function agoOf(at: string, now: number): string {
  const age = ageOf(at, now);
  return age === "" ? "" : `${age} ago`;
}

/** The time of day where it was today, else with the date, as this browser writes them. */
export function timeOf(at: string, now: number): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return "";
  const isToday = time.toDateString() === new Date(now).toDateString();
  const clock = time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  return isToday ? clock : `${time.toLocaleDateString([], { day: "numeric", month: "short" })} ${clock}`;
}

/** To the second, with the zone: what stands behind an age when somebody asks. */
export function exactTimeOf(at: string): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return "";
  return time.toLocaleString([], { dateStyle: "medium", timeStyle: "long", hour12: false });
}
