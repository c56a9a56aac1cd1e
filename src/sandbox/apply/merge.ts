/** The two movements of server-side apply on a value: merging a configuration in, and taking fields out. */
import { clone, isObject } from "../json.ts";
import { anything, fieldSchema, type Schema } from "../schema/schema.ts";
import type { FieldPath } from "./field-set.ts";
import { partsOf } from "./typed-walk.ts";

/** The live state with the configuration laid over it. Lists with keys merge item by item; leaves are replaced. */
export function mergeApplied(live: unknown, config: unknown, schema: Schema): unknown {
  const liveParts = partsOf(live, schema);
  const configParts = partsOf(config, schema);
  if (!liveParts || !configParts) return clone(config);
  if (isObject(live) && isObject(config)) {
    const merged: Record<string, unknown> = { ...live };
    for (const [key, value] of Object.entries(config)) {
      if (value !== undefined) merged[key] = mergeApplied(live[key], value, fieldSchema(schema, key) ?? anything);
    }
    return merged;
  }
  return mergeLists(liveParts, configParts);
}

type Parts = NonNullable<ReturnType<typeof partsOf>>;

/** The configuration's order wins; what only the live list has stays where it was among its neighbours. */
function mergeLists(live: Parts, config: Parts): unknown[] {
  const liveByElement = new Map(live.map((part) => [part.element, part]));
  const wanted = new Set(config.map((part) => part.element));
  const merged: unknown[] = [];
  let next = 0;
  for (const part of live) {
    if (!wanted.has(part.element)) merged.push(part.value);
    else takeConfig();
  }
  while (next < config.length) takeConfig();
  return merged;

  function takeConfig(): void {
    const part = config[next++];
    if (part) merged.push(mergeApplied(liveByElement.get(part.element)?.value, part.value, part.schema));
  }
}

/** The value without what stands at `path`. What is not there is not missed. */
export function removeAt(value: unknown, path: FieldPath, schema: Schema): unknown {
  const [element, ...rest] = path;
  if (element === undefined) return value;
  if (isObject(value)) {
    const key = element.slice(2);
    if (!element.startsWith("f:") || !(key in value)) return value;
    const { [key]: child, ...others } = value;
    if (rest.length === 0) return others;
    return { ...value, [key]: removeAt(child, rest, fieldSchema(schema, key) ?? anything) };
  }
  const parts = partsOf(value, schema);
  if (!parts || !Array.isArray(value)) return value;
  return parts.flatMap((part) => {
    if (part.element !== element) return [part.value];
    return rest.length === 0 ? [] : [removeAt(part.value, rest, part.schema)];
  });
}
