/**
 * CEL of protovalidate as CEL of Kubernetes. The two differ: a field that is not set has its default value in the one and is an
 * error in the other. So only what means the same in both is taken: `has()` of fields with presence, `size() == 0` of lists and
 * maps, `!`, `&&`, `||` and parentheses. Anything else throws.
 */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { UntranslatableError, type Validation } from "./json-schema.ts";

const token =
  /\s+|has\(\s*this(?<present>(?:\.[a-z][a-z0-9_]*)+)\s*\)|this(?<empty>(?:\.[a-z][a-z0-9_]*)+?)\.size\(\)\s*==\s*0|!|&&|\|\||[()]/y;

export function translateExpression(message: DescMessage, expression: string, text: string): Validation {
  const where = `${message.typeName}: ${expression}`;
  let rule = "";
  const paths: string[][] = [];
  token.lastIndex = 0;
  while (token.lastIndex < expression.length) {
    const at = token.lastIndex;
    const found = token.exec(expression);
    if (!found) throw new UntranslatableError(where, `\`${expression.slice(at)}\` cannot be translated`);
    const { present, empty } = found.groups ?? {};
    if (present !== undefined) {
      const path = resolve(message, present.slice(1).split("."), where, "has");
      paths.push(path.map((field) => field.jsonName));
      rule += guarded(path);
    } else if (empty !== undefined) {
      const path = resolve(message, empty.slice(1).split("."), where, "size");
      paths.push(path.map((field) => field.jsonName));
      rule += `(!${guarded(path)} || ${dotted(path)}.size() == 0)`;
    } else rule += found[0];
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

function resolve(message: DescMessage, names: readonly string[], where: string, use: "has" | "size"): DescField[] {
  let within: DescMessage | undefined = message;
  return names.map((name, index) => {
    const field: DescField | undefined = within?.fields.find((each) => each.name === name);
    if (!field) throw new UntranslatableError(where, `there is no field \`${name}\``);
    const isMany = field.fieldKind === "list" || field.fieldKind === "map";
    if (isMany && use === "has") {
      throw new UntranslatableError(where, `has() of the list or map \`${name}\` means different things`);
    }
    if (use === "size" && isMany !== (index === names.length - 1)) {
      throw new UntranslatableError(where, `size() is of a list or map, and \`${names.join(".")}\` is none`);
    }
    within = field.message;
    return field;
  });
}

/** `has(self.a.b)` is an error in Kubernetes when there is no `a`, and false in protovalidate. */
function guarded(path: readonly DescField[]): string {
  const steps = path.map((_, index) => `has(${dotted(path.slice(0, index + 1))})`);
  return steps.length === 1 ? steps.join("") : `(${steps.join(" && ")})`;
}

function dotted(path: readonly DescField[]): string {
  return `self.${path.map((field) => spell(field.jsonName)).join(".")}`;
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
