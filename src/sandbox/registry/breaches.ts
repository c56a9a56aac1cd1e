/** The two breaches that many rules of Kubernetes' own kinds end in, in an API server's words. */
import type { Cause } from "../status-error.ts";

export function required(field: string): Cause {
  return { reason: "FieldValueRequired", message: "Required value", field };
}

export function cannotChange(field: string, value: unknown, why: string): Cause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field };
}
