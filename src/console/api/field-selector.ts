/** Field selectors as kubectl takes them: "phase=Failed,peer!=berlin". Pure. */
import { SelectorError, splitSelector } from "../../base/label-selector.ts";

export interface FieldRequirement {
  readonly field: string;
  readonly value: string;
  /** Whether the field is to be so, or not to be so. */
  readonly equal: boolean;
}

/** Throws a `SelectorError` that names the part. A comma in a value is written inside parentheses, or not at all. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitSelector(text).map((part) => {
    const [, field = "", operator, value = ""] = /^([^=!\s]+)\s*(==?|!=)\s*(.*)$/.exec(part) ?? [];
    if (operator === undefined) throw new SelectorError(part, "field selector");
    return { field, value, equal: operator !== "!=" };
  });
}

/** Kubernetes' own way to write a field says where in the object it stands: `metadata.name`, `.status.phase`, `{.spec.peer}`. */
export function plainField(name: string): string {
  const plain = name.replace(/^\{(.*)\}$/, "$1").replace(/^\.?(metadata|spec|status)\.|^\./, "");
  return plain === "creationTimestamp" ? "created" : plain;
}
