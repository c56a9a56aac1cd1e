/** When a CronJob is due: five fields as cron writes them, or `@hourly` and its like, in UTC or in a named time zone. Pure. */

export interface Schedule {
  /** The first minute after this moment at which it is due (milliseconds); undefined when none comes within five years. */
  next(afterMs: number): number | undefined;
}

interface Field {
  name: string;
  least: number;
  most: number;
  words?: readonly string[];
}

const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const fields: readonly Field[] = [
  { name: "minute", least: 0, most: 59 },
  { name: "hour", least: 0, most: 23 },
  { name: "day of month", least: 1, most: 31 },
  { name: "month", least: 1, most: 12, words: months },
  { name: "day of week", least: 0, most: 6, words: days },
];

const named: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

const minuteMs = 60_000;
const longestMs = 5 * 366 * 24 * 60 * minuteMs;

/** Throws with what is wrong of a schedule that cannot be read, or of a time zone that nobody knows. */
export function parseSchedule(text: string, timeZone?: string): Schedule {
  const parts = (named[text.trim()] ?? text).trim().split(/\s+/);
  if (parts.length !== fields.length) throw new Error(`expected exactly 5 fields, found ${parts.length}: ${text}`);
  const sets = fields.map((field, i) => parseField(parts[i] ?? "", field));
  const [minutes, hours, monthDays, inMonths, weekDays] = sets;
  const local = timeZone ? zoned(timeZone) : utc;
  // When both are restricted either of the days will do, as in every cron.
  const eitherDay = parts[2] !== "*" && parts[4] !== "*";
  const isDay = (now: LocalTime): boolean => {
    const [byMonth, byWeek] = [monthDays?.has(now.day) ?? false, weekDays?.has(now.weekDay) ?? false];
    return (inMonths?.has(now.month) ?? false) && (eitherDay ? byMonth || byWeek : byMonth && byWeek);
  };
  return {
    next(afterMs) {
      let at = (Math.floor(afterMs / minuteMs) + 1) * minuteMs;
      for (const end = at + longestMs; at < end; ) {
        const now = local(at);
        if (!isDay(now) || !hours?.has(now.hour)) at += (60 - now.minute) * minuteMs;
        else if (!minutes?.has(now.minute)) at += minuteMs;
        else return at;
      }
      return undefined;
    },
  };
}

function parseField(text: string, field: Field): ReadonlySet<number> {
  const wrong = (): never => {
    throw new Error(`failed to parse ${field.name} ${JSON.stringify(text)}`);
  };
  const number = (word: string): number => {
    const byName = field.words?.indexOf(word.toLowerCase()) ?? -1;
    const value = byName >= 0 ? byName + field.least : /^\d+$/.test(word) ? Number(word) : wrong();
    return value < field.least || value > field.most ? wrong() : value;
  };
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const [range = "", step, ...rest] = part.split("/");
    if (rest.length > 0 || (step !== undefined && !/^[1-9]\d*$/.test(step))) wrong();
    const [from, to, ...more] =
      range === "*" || range === "?" ? [field.least, field.most] : range.split("-").map(number);
    if (from === undefined || more.length > 0) return wrong();
    const last = to ?? (step === undefined ? from : field.most);
    if (last < from) wrong();
    for (let value = from; value <= last; value += Number(step ?? 1)) found.add(value);
  }
  return found;
}

interface LocalTime {
  minute: number;
  hour: number;
  day: number;
  month: number;
  weekDay: number;
}

function utc(ms: number): LocalTime {
  const date = new Date(ms);
  return {
    minute: date.getUTCMinutes(),
    hour: date.getUTCHours(),
    day: date.getUTCDate(),
    month: date.getUTCMonth() + 1,
    weekDay: date.getUTCDay(),
  };
}

function zoned(timeZone: string): (ms: number) => LocalTime {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    weekday: "short",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  });
  return (ms) => {
    const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    return {
      minute: Number(parts.get("minute")),
      hour: Number(parts.get("hour")),
      day: Number(parts.get("day")),
      month: Number(parts.get("month")),
      weekDay: days.indexOf((parts.get("weekday") ?? "").toLowerCase()),
    };
  };
}
