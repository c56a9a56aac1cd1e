/**
 * The JSONPath of printer columns: `.status.conditions[?(@.type=="Ready")].status`, `.spec.ports[*].port`,
 * `.metadata.labels.a\.b`, `['x']`. What it cannot read finds nothing.
 */
import { isObject } from "./json.ts";

export function evaluateJsonPath(path: string, root: unknown): unknown[] {
  let found = [root];
  for (const step of steps(path.replace(/^\{|\}$/g, "").replace(/^\$/, "")))
    found = found.flatMap((value) => take(value, step));
  return found;
}

type Step = { field: string } | { all: true } | { index: number } | { filter: { path: string; equals: string } };

function steps(path: string): Step[] {
  const pattern =
    /\.((?:[^.[\]\\]|\\.)+)|\[\?\(@([^=]+)==\s*["']([^"']*)["']\s*\)\]|\[['"]([^'"]+)['"]\]|\[(\*|-?\d+)\]/gy;
  const found: Step[] = [];
  for (const match of path.matchAll(pattern)) {
    const [, field, filterPath, equals, quoted, index] = match;
    if (field !== undefined) found.push({ field: field.replace(/\\(.)/g, "$1") });
    else if (quoted !== undefined) found.push({ field: quoted });
    else if (filterPath !== undefined) found.push({ filter: { path: filterPath.trim(), equals: equals ?? "" } });
    else if (index === "*") found.push({ all: true });
    else found.push({ index: Number(index) });
  }
  return found;
}

function take(value: unknown, step: Step): unknown[] {
  if ("field" in step) {
    const found = isObject(value) ? value[step.field] : undefined;
    return found === undefined || found === null ? [] : [found];
  }
  const items = Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
  if ("all" in step) return items;
  if ("index" in step) {
    const item: unknown = items.at(step.index);
    return item === undefined ? [] : [item];
  }
  const { path, equals } = step.filter;
  return items.filter((item) => evaluateJsonPath(path, item).some((found) => String(found) === equals));
}
