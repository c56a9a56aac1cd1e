/** What a call's failure says to a program. Pure. */
import { type Violation, ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type PermissionMissing,
  PermissionMissingSchema,
  RetryAfterSchema,
} from "../gen/fairlead/console/v1/error_pb.ts";

export interface ExplainedError {
  readonly code: Code;
  /** For people, without the code. */
  readonly message: string;
  /** With InvalidArgument: each rule that the request breaks. */
  readonly violations: readonly FieldViolation[];
  /** With PermissionDenied: what the caller lacks, and who can give it. */
  readonly missing: PermissionMissing | undefined;
  /** Whether the same call may do later what it does not do now. */
  readonly isWorthRetrying: boolean;
  /** Seconds from now when it is worth to try again, if the agent says so. */
  readonly retryAfter: number | undefined;
}

export interface FieldViolation {
  /** As in JSON: "spec.ports[0].containerPort"; empty for a rule of the whole request. */
  readonly field: string;
  /** The rule's name, as in "string.min_len". */
  readonly rule: string;
  /** For people. */
  readonly message: string;
}

/** What passes by itself. What was cut may have been done; whoever tries again has to be ready for that. */
const passing: readonly Code[] = [Code.Unavailable, Code.ResourceExhausted, Code.Aborted];

/** Of anything that a call rejects with; what is no failure of a call is of the code Unknown, and an abort Canceled. */
export function explainError(error: unknown): ExplainedError {
  const known = ConnectError.from(error);
  const [missing] = known.findDetails(PermissionMissingSchema);
  const [retry] = known.findDetails(RetryAfterSchema);
  return {
    code: known.code,
    message: known.rawMessage,
    violations: known.findDetails(ViolationsSchema).flatMap(({ violations }) => violations.map(toFieldViolation)),
    missing,
    isWorthRetrying: retry !== undefined || passing.includes(known.code),
    retryAfter: retry?.seconds,
  };
}

function toFieldViolation({ field, ruleId, message }: Violation): FieldViolation {
  const path = (field?.elements ?? []).map(({ fieldName, subscript }) => {
    const name = fieldName.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    return subscript.case === undefined ? name : `${name}[${subscript.value}]`;
  });
  return { field: path.join("."), rule: ruleId, message };
}
