/** What a request breaks that no rule of its proto can say, told as validation tells of the rules that do stand there. */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { parsePath } from "@bufbuild/protobuf/reflect";
import { createValidator, Violation, violationsToProto } from "@bufbuild/protovalidate";
import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, ConnectError } from "@connectrpc/connect";
import { readTime } from "../../kube/time.ts";

const validator = createValidator();

/**
 * INVALID_ARGUMENT with a `buf.validate.Violations`. `path` names the field as the proto does: "topics[0].label_selector"; `rule` is for programs,
 * and `message` for people.
 */
export function brokenRule(
  request: DescMessage,
  { path, rule, message, cause }: { path: string; rule: string; message: string; cause?: unknown },
): ConnectError {
  const [value, desc] = violationsToProto([new Violation(message, rule, parsePath(request, path), [], false)]);
  return new ConnectError(`${path}: ${message}`, Code.InvalidArgument, undefined, [{ desc, value }], cause);
}

/** The same of a field that many requests have, by its name alone: which one it is here is not known. */
export function brokenWord(
  fieldName: string,
  { rule: ruleId, message, cause }: { rule: string; message: string; cause?: unknown },
): ConnectError {
  const value = { violations: [{ field: { elements: [{ fieldName }] }, ruleId, message }] };
  const details = [{ desc: ViolationsSchema, value }];
  return new ConnectError(`${fieldName}: ${message}`, Code.InvalidArgument, undefined, details, cause);
}

/** The same for a message that came in another way than by a call, if it breaks rules of its proto. */
export function brokenIn<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): ConnectError | undefined {
  const { kind, violations, error } = validator.validate(schema, message);
  if (kind === "valid") return undefined;
  const [value, desc] = violationsToProto(violations ?? []);
  return new ConnectError(error.message, Code.InvalidArgument, undefined, [{ desc, value }], error);
}

/** The time that this field of a request says, in milliseconds since 1970. Throws INVALID_ARGUMENT for what is none. */
export function timeIn(request: DescMessage, path: string, text: string): number {
  const ms = readTime(text);
  if (ms !== undefined) return ms;
  const message = `${JSON.stringify(text)} is no time as in 2026-11-21T16:00:00Z`;
  throw brokenRule(request, { path, rule: "time.rfc3339", message });
}
