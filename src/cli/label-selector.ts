/** Label selectors in Kubernetes' syntax, for what is selected here and not by the agent. Pure. */
import { CliError, exitCode } from "./errors.ts";

type Labels = Readonly<Record<string, string>>;

const key = "(?<key>[A-Za-z0-9](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?)";
const equality = new RegExp(`^${key}\\s*(?<operator>==?|!=)\\s*(?<value>[A-Za-z0-9_.-]*)$`);
const set = new RegExp(`^${key}\\s+(?<operator>in|notin)\\s*\\((?<values>[^()]*)\\)$`);
const presence = new RegExp(`^(?<operator>!?)\\s*${key}$`);

/** What "app=shop,tier!=test,zone in (a, b),!old" selects. Throws a usage error that names the part it cannot read. */
export function parseLabelSelector(text: string): (labels: Labels) => boolean {
  // A comma inside parentheses belongs to a set.
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  const checks = parts.filter((part) => part !== "").map(parsePart);
  return (labels) => checks.every((check) => check(labels));
}

function parsePart(part: string): (labels: Labels) => boolean {
  const found = equality.exec(part) ?? set.exec(part) ?? presence.exec(part);
  if (!found?.groups) {
    throw new CliError(`${JSON.stringify(part)} is no label selector`, {
      code: exitCode.usage,
      hint: "-l app=shop,tier!=test, or -l 'zone in (a, b)'",
    });
  }
  const { key: name = "", operator, value = "", values } = found.groups;
  if (values !== undefined) {
    const known = values.split(",").map((one) => one.trim());
    const isIn = (labels: Labels): boolean => labels[name] !== undefined && known.includes(labels[name]);
    return operator === "in" ? isIn : (labels) => !isIn(labels);
  }
  if (operator === "!=") return (labels) => labels[name] !== value;
  if (operator === "=" || operator === "==") return (labels) => labels[name] === value;
  return operator === "!" ? (labels) => labels[name] === undefined : (labels) => labels[name] !== undefined;
}
