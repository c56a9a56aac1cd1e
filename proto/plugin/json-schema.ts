/** The part of OpenAPI v3 that a CustomResourceDefinition's structural schema is made of. */
export interface JsonSchema {
  title?: string;
  description?: string;
  type?: "object" | "array" | "string" | "integer" | "boolean" | "number";
  format?: string;
  default?: unknown;
  enum?: (string | number | boolean)[];
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  anyOf?: { type: string }[];
  required?: string[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema;
  "x-kubernetes-int-or-string"?: true;
  "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-preserve-unknown-fields"?: true;
  "x-kubernetes-validations"?: Validation[];
}

/** A rule in Kubernetes' CEL. */
export interface Validation {
  rule: string;
  message: string;
  fieldPath?: string;
  reason?: "FieldValueRequired" | "FieldValueForbidden" | "FieldValueInvalid";
}

/** What Kubernetes' own parser of quantities takes, as its API conventions give it. */
const quantityPattern =
  "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$";

export function intOrString(): JsonSchema {
  return { anyOf: [{ type: "integer" }, { type: "string" }], "x-kubernetes-int-or-string": true };
}

export function quantity(): JsonSchema {
  return { ...intOrString(), pattern: quantityPattern };
}

/** A declaration that has no true counterpart at the API server. Fails the generation. */
export class UntranslatableError extends Error {
  override readonly name = "UntranslatableError";

  /** `where` is the full name of the message or field. */
  constructor(where: string, why: string) {
    super(`${where}: ${why}`);
  }
}
