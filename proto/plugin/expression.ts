/**
 * CEL of protovalidate as CEL of Kubernetes. The two differ: a field that is not set has its default value in the one and is an
 * error in the other. So only what means the same in both is taken: `has()` of fields with presence, `!`, `&&`, `||` and
 * parentheses. Anything else throws.
 */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { UntranslatableError, type Validation } from "./json-schema.ts";

const token = /\s+|has\(\s*this((?:\.[a-z][a-z0-9_]*)+)\s*\)|!|&&|\|\||[()]/y;

export function translateExpression(message: DescMessage, expression: string, text: string): Validation {
  const where = `${message.typeName}: ${expression}`;
  let rule = "";
  const paths: string[][] = [];
  token.lastIndex = 0;
  while (token.lastIndex < expression.length) {
    const at = token.lastIndex;
    const found = token.exec(expression);
    if (!found) throw new UntranslatableError(where, `\`${expression.slice(at)}\` cannot be translated`);
    const [all, fields] = found;
    if (fields === undefined) rule += all;
    else {
      const path = resolve(message, fields.slice(1).split("."), where);
      paths.push(path.map((field) => field.jsonName));
      rule += guarded(path);
    }
  }
  const [only] = paths;
  if (paths.length !== 1 || !only) return { rule, message: text };
  const isRequired = /^\s*has\(/.test(expression);
  const reason = isRequired ? "FieldValueRequired" : "FieldValueForbidden";
  return { rule, message: text, fieldPath: `.${only.join(".")}`, reason };
}

/** A oneof, or a set of fields that exclude each other. */
export function translateOneof(names: readonly string[], required: boolean): Validation {
  const present = `[${names.map((name) => `has(self.${spell(name)})`).join(", ")}].filter(x, x).size()`;
  const list = names.join(", ");
  return required
    ? { rule: `${present} == 1`, message: `exactly one of ${list} must be set` }
    : { rule: `${present} <= 1`, message: `at most one of ${list} may be set` };
}

function resolve(message: DescMessage, names: readonly string[], where: string): DescField[] {
  let within: DescMessage | undefined = message;
  return names.map((name) => {
    const field: DescField | undefined = within?.fields.find((each) => each.name === name);
    if (!field) throw new UntranslatableError(where, `there is no field \`${name}\``);
    if (field.fieldKind === "list" || field.fieldKind === "map") {
      throw new UntranslatableError(where, `has() of the list or map \`${name}\` means different things`);
    }
    within = field.message;
    return field;
  });
}

/** `has(self.a.b)` is an error in Kubernetes when there is no `a`, and false in protovalidate. */
function guarded(path: readonly DescField[]): string {
  const steps = path.map(
    (_, index) =>
      `has(self.${path
        .slice(0, index + 1)
        .map((field) => spell(field.jsonName))
        .join(".")})`,
  );
  return steps.length === 1 ? steps.join("") : `(${steps.join(" && ")})`;
}

/** Words that Kubernetes' CEL keeps for itself and spells differently where they name a field. */
const reserved = new Set(
  [
    [
      "true",
      "false",
      "null",
      "in",
      "as",
      "break",
      "const",
      "continue",
      "else",
      "for",
      "function",
      "if",
      "import",
      "let",
    ],
    ["loop", "package", "namespace", "return", "var", "void", "while"],
  ].flat(),
);

function spell(name: string): string {
  return reserved.has(name) ? `__${name}__` : name;
}
