/**
 * Reads an app's spec as a peer sent it. Strict: an older agent must never run a weaker app in silence, so whatever it does
 * not know or understand is named and refused. Pure.
 */
import { fromJson } from "@bufbuild/protobuf";
import { errorText } from "../../base/error-text.ts";
import { brokenRules } from "../../base/proto-rules.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { intentLimits, type Refusal, type Violation } from "../../intent/wish.ts";
import { findUnknown } from "../../kube/custom-resource.ts";
import { type FragmentProblem, fragmentProblems } from "../../kube/fragments.ts";
import { isJsonObject, type JsonObject } from "../../kube/object.ts";
import { contentChecks } from "./spec-contents.ts";
import { kindChecks } from "./spec-kind.ts";
import { quantities, twice } from "./spec-lists.ts";
import { podChecks } from "./spec-pod.ts";

export type ParsedSpec = { ok: true; app: RemoteAppSpec } | { ok: false; refusal: Refusal };

/** Items of any list of a spec that are looked at at all: to judge each takes time in which the agent does nothing else. */
const mostItems = 1_000;

/** Parses the JSON text of a RemoteAppSpec without its `peer`. */
export function parseSpec(text: string): ParsedSpec {
  if (Buffer.byteLength(text) > intentLimits.specBytes) {
    const message = `the spec is longer than ${intentLimits.specBytes} bytes`;
    return refuse([{ field: "", rule: "max_bytes", message }]);
  }
  const json = parseJson(text);
  if (!json) return refuse([{ field: "", rule: "json", message: "the spec is not a JSON object" }]);
  const endless = Object.entries(json).find(([, value]) => Array.isArray(value) && value.length > mostItems);
  if (endless) {
    return refuse([{ field: endless[0], rule: "max_items", message: `must contain no more than ${mostItems} items` }]);
  }
  const unknown = findUnknown(RemoteAppSpecSchema, json, "spec").map(unknownField);
  const problems = [...unknown, ...fragmentProblems(RemoteAppSpecSchema, json).map(fragmentViolation)];
  if (problems.length > 0) return refuse(problems);
  let app: RemoteAppSpec;
  try {
    app = fromJson(RemoteAppSpecSchema, json);
  } catch (error) {
    const message = errorText(error);
    return refuse([{ field: "", rule: "type", message }]);
  }
  const violations = [...brokenRules(RemoteAppSpecSchema, app), ...ownChecks(app)];
  return violations.length > 0 ? refuse(violations) : { ok: true, app };
}

function parseJson(text: string): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return isJsonObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

function unknownField(problem: string): Violation {
  return notKnown(problem.slice("spec.".length, problem.lastIndexOf(":")));
}

function fragmentViolation({ path, rule, message }: FragmentProblem): Violation {
  return rule === "unknown-field" ? notKnown(path) : { field: path, rule, message };
}

function notKnown(field: string): Violation {
  return {
    field,
    rule: "unknown-field",
    message: "this host does not know the field; its agent may be older than yours",
  };
}

/** What the API server would refuse only when it sees what is made of the app, and then in other words; and what no app may. */
function ownChecks(app: RemoteAppSpec): Violation[] {
  return [
    ...placed(app),
    ...kindChecks(app),
    ...twice(app),
    ...quantities(app),
    ...contentChecks(app),
    ...podChecks(app),
  ];
}

/** Where it runs is here, and a wish that says more was not made by an origin as it should be. */
function placed(app: RemoteAppSpec): Violation[] {
  const message = "a wish names no peer and no placement: it is for the one that hears it";
  return [
    ...(app.peer === undefined ? [] : [{ field: "peer", rule: "peer", message }]),
    ...(app.placement === undefined ? [] : [{ field: "placement", rule: "peer", message }]),
  ];
}

function refuse(violations: Violation[]): { ok: false; refusal: Refusal } {
  return { ok: false, refusal: invalid(violations) };
}

/** The answer to a wish that cannot be understood, with all that is wrong with it. */
export function invalid(violations: readonly Violation[]): Refusal {
  const named = violations.slice(0, 3).map(({ field, message }) => (field ? `${field}: ${message}` : message));
  const more = violations.length > 3 ? `; and ${violations.length - 3} more` : "";
  return { reason: "Invalid", message: `${named.join("; ")}${more}.`, violations };
}
