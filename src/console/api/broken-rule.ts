/** What a request breaks that no rule of its proto can say, told as validation tells of the rules that do stand there. */
import type { DescMessage } from "@bufbuild/protobuf";
import { parsePath } from "@bufbuild/protobuf/reflect";
import { Violation, violationsToProto } from "@bufbuild/protovalidate";
import { Code, ConnectError } from "@connectrpc/connect";
import { readTime } from "../../kube/time.ts";

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

/** The time that this field of a request says, in milliseconds since 1970. Throws INVALID_ARGUMENT for what is none. */
export function timeIn(request: DescMessage, path: string, text: string): number {
  const ms = readTime(text);
  if (ms !== undefined) return ms;
  const message = `${JSON.stringify(text)} is no time as in 2026-11-21T16:00:00Z`;
  throw brokenRule(request, { path, rule: "time.rfc3339", message });
}
