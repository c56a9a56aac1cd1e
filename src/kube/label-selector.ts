/** Kubernetes' label selectors as objects (`matchLabels`, `matchExpressions`), for what is selected by this agent itself. Pure. */
import { isJsonObject, type JsonObject } from "./object.ts";

type Labels = Readonly<Record<string, string>>;

/** Whether the selector selects these labels. An empty one selects everything; one with an operator that is unknown selects nothing. */
export function matchesSelector(selector: JsonObject, labels: Labels): boolean {
  const { matchLabels, matchExpressions } = selector;
  const equal = isJsonObject(matchLabels) ? Object.entries(matchLabels) : [];
  const expressions = Array.isArray(matchExpressions) ? matchExpressions : [];
  return (
    equal.every(([key, value]) => labels[key] === value) &&
    expressions.every((expression) => isJsonObject(expression) && holds(expression, labels))
  );
}

function holds({ key, operator, values }: JsonObject, labels: Labels): boolean {
  const value = typeof key === "string" && Object.hasOwn(labels, key) ? labels[key] : undefined;
  const known = Array.isArray(values) ? values : [];
  switch (operator) {
    case "In":
      return value !== undefined && known.includes(value);
    case "NotIn":
      return value === undefined || !known.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return false;
  }
}
