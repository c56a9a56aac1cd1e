/** Label selectors in Kubernetes' syntax. Pure. */

type Labels = Readonly<Record<string, string>>;

/** What is no selector, with the part that cannot be read. */
export class SelectorError extends Error {
  constructor(part: string, what = "label selector") {
    super(`${JSON.stringify(part)} is no ${what}`);
    this.name = "SelectorError";
  }
}

const key = "(?<key>[A-Za-z0-9](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?)";
const equality = new RegExp(`^${key}\\s*(?<operator>==?|!=)\\s*(?<value>[A-Za-z0-9_.-]*)$`);
const set = new RegExp(`^${key}\\s+(?<operator>in|notin)\\s*\\((?<values>[^()]*)\\)$`);
const presence = new RegExp(`^(?<operator>!?)\\s*${key}$`);

/** What "app=shop,tier!=test,zone in (a, b),!old" selects; empty: everything. Throws a `SelectorError`. */
export function parseLabelSelector(text: string): (labels: Labels) => boolean {
  const checks = splitSelector(text).map(parsePart);
  return (labels) => checks.every((check) => check(labels));
}

/** Each is held against everything that there is, again with each change of it. */
const mostParts = 16;

/** The parts of a selector, each once and without empty ones. A comma inside parentheses belongs to a set. Throws a `SelectorError`. */
export function splitSelector(text: string): string[] {
  const parts = new Set<string>();
  let isInSet = false;
  let start = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const char = text[at];
    if (char === "(") isInSet = true;
    else if (char === ")") isInSet = false;
    else if (char === undefined || (char === "," && !isInSet)) {
      const part = text.slice(start, at).trim();
      if (part !== "") parts.add(part);
      start = at + 1;
    }
  }
  if (parts.size > mostParts) {
    throw new SelectorError(`${text.slice(0, 40)}…`, `selector, which has ${mostParts} parts at most`);
  }
  return [...parts];
}

function parsePart(part: string): (labels: Labels) => boolean {
  const found = equality.exec(part) ?? set.exec(part) ?? presence.exec(part);
  if (!found?.groups) throw new SelectorError(part);
  const { key: name = "", operator, value = "", values } = found.groups;
  const has = (labels: Labels): boolean => Object.hasOwn(labels, name);
  if (values !== undefined) {
    const known = new Set(values.split(",").map((one) => one.trim()));
    const isIn = (labels: Labels): boolean => has(labels) && known.has(labels[name] ?? "");
    return operator === "in" ? isIn : (labels) => !isIn(labels);
  }
  if (operator === "!=") return (labels) => !has(labels) || labels[name] !== value;
  if (operator === "=" || operator === "==") return (labels) => has(labels) && labels[name] === value;
  return operator === "!" ? (labels) => !has(labels) : has;
}
