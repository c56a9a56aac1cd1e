/** The rules that a proto declares for a message. Pure. */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";

export interface BrokenRule {
  /** As in JSON: `ports[0].name`; empty when it is about the whole. */
  readonly field: string;
  /** Its id, such as `repeated.max_items`. */
  readonly rule: string;
  readonly message: string;
}

const validator = createValidator();

/** Those that the message breaks; a rule that cannot be asked counts as broken. Empty when it keeps them all. */
export function brokenRules<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): BrokenRule[] {
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return [];
  if (result.kind === "error") return [{ field: "", rule: "rules", message: result.error.message }];
  return result.violations.map(({ field, ruleId, message: text }) => {
    return { field: field.map(pathPart).join("").replace(/^\./, ""), rule: ruleId, message: text };
  });
}

function pathPart(part: Path[number]): string {
  if (part.kind === "field") return `.${part.jsonName}`;
  if (part.kind === "list_sub") return `[${part.index}]`;
  return part.kind === "map_sub" ? `[${String(part.key)}]` : "";
}
