/** Label and field selectors, as they stand in the query of a list or watch and in a Service or a Deployment. */
import { badRequest } from "./status-error.ts";

export type LabelMatcher = (labels: Readonly<Record<string, string>> | undefined) => boolean;

/** Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k`. Throws a 400 that names what it could not read. */
export function parseLabelSelector(text: string | null | undefined): LabelMatcher {
  if (!text?.trim()) return () => true;
  const terms = splitTerms(text).map((term) => parseTerm(term, text));
  return (labels) => terms.every((matches) => matches(labels ?? {}));
}

interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** The selector of a Deployment or ReplicaSet. An empty selector matches everything. */
export function matchSelector(selector: LabelSelector): LabelMatcher {
  return (labels) =>
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels?.[key] === value) &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels?.[key];
      if (operator === "In") return value !== undefined && values.includes(value);
      if (operator === "NotIn") return value === undefined || !values.includes(value);
      return operator === "Exists" ? value !== undefined : value === undefined;
    });
}

/** The selector of a Service: all of these labels. */
export function hasLabels(wanted: Readonly<Record<string, string>>): LabelMatcher {
  return (labels) => Object.entries(wanted).every(([key, value]) => labels?.[key] === value);
}

export type FieldRequirement = { path: string; equals: string; negated: boolean };

/** Parses `metadata.name=x,status.phase!=Running`. Which fields are supported is the resource's to say. */
export function parseFieldSelector(text: string | null | undefined): FieldRequirement[] {
  if (!text?.trim()) return [];
  return text.split(",").map((term) => {
    const match = /^([^=!]+)(!=|==|=)(.*)$/.exec(term.trim());
    if (!match?.[1]) throw badRequest(`invalid field selector ${JSON.stringify(text)}; can't understand '${term}'`);
    return { path: match[1], equals: match[3] ?? "", negated: match[2] === "!=" };
  });
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const char = text[i];
    if (char === "(") depth++;
    if (char === ")") depth--;
    if (i === text.length || (char === "," && depth === 0)) {
      terms.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return terms;
}

function parseTerm(term: string, whole: string): (labels: Readonly<Record<string, string>>) => boolean {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
  if (set?.[1]) {
    const [, key, operator, list = ""] = set;
    const values = new Set(list.split(",").map((value) => value.trim()));
    return (labels) => {
      const value = labels[key];
      return operator === "in" ? value !== undefined && values.has(value) : value === undefined || !values.has(value);
    };
  }
  const comparison = /^([A-Za-z0-9._/-]+)\s*(!=|==|=)\s*([A-Za-z0-9._-]*)$/.exec(term);
  if (comparison?.[1]) {
    const [, key, operator, value = ""] = comparison;
    return (labels) => (operator === "!=" ? labels[key] !== value : labels[key] === value);
  }
  const presence = /^(!?)\s*([A-Za-z0-9._/-]+)$/.exec(term);
  if (presence?.[2]) {
    const [, bang, key] = presence;
    return (labels) => (bang ? labels[key] === undefined : labels[key] !== undefined);
  }
  throw badRequest(`unable to parse requirement: couldn't parse the selector string "${whole}": found '${term}'`);
}
