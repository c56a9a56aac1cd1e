/** A value of the chart as `helm --set` takes it: each leaf by its path. */
export function valuesAt(path: string, value: unknown): Record<string, string> {
  if (Array.isArray(value)) return Object.assign({}, ...value.map((one, index) => valuesAt(`${path}[${index}]`, one)));
  if (typeof value !== "object" || value === null) return { [path]: String(value) };
  return Object.assign({}, ...Object.entries(value).map(([key, one]) => valuesAt(`${path}.${key}`, one)));
}
