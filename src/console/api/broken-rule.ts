/** What a request breaks that no rule of its proto can say, told as validation tells of the rules that do stand there. */
import type { DescMessage } from "@bufbuild/protobuf";
import { parsePath } from "@bufbuild/protobuf/reflect";
import { Violation, violationsToProto } from "@bufbuild/protovalidate";
import { Code, ConnectError } from "@connectrpc/connect";

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
