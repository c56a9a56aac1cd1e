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
import { isJsonObject, type JsonObject } from "../../kube/object.ts";
import { parseQuantity } from "../../policy/quantity.ts";

export type ParsedSpec = { ok: true; app: RemoteAppSpec } | { ok: false; refusal: Refusal };

/** Items of any list of a spec that are looked at at all: to judge each takes time in which the agent does nothing else. */
const mostItems = 1_000;

/** Of the fields of a RemoteAppSpec, those that this agent does not carry out: as unknown as any other. */
const notCarriedOut: ReadonlySet<string> = new Set([
  "kind",
  "envFrom",
  "workingDir",
  "startupProbe",
  "readinessProbe",
  "livenessProbe",
  "lifecycle",
  "securityContext",
  "volumeMounts",
  "containers",
  "initContainers",
  "volumes",
  "configMaps",
  "secrets",
  "claims",
  "imagePullSecrets",
  "strategy",
  "updateStrategy",
  "podManagementPolicy",
  "minReadySeconds",
  "paused",
  "restartedAt",
  "job",
  "cronJob",
  "restartPolicy",
  "podSecurityContext",
  "terminationGracePeriodSeconds",
  "podLabels",
  "podAnnotations",
  "nodeSelector",
  "tolerations",
  "affinity",
  "topologySpreadConstraints",
]);

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
  const unknown = [...findUnknown(RemoteAppSpecSchema, json, "spec"), ...idle(json)].map(unknownField);
  if (unknown.length > 0) return refuse(unknown);
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

function idle(json: JsonObject): string[] {
  const { env } = json;
  const variables = Array.isArray(env) ? env : [];
  return [
    ...Object.keys(json)
      .filter((name) => notCarriedOut.has(name))
      .map((name) => `spec.${name}: unknown field`),
    ...variables.flatMap((each, index) =>
      isJsonObject(each) && "valueFrom" in each ? [`spec.env[${index}].valueFrom: unknown field`] : [],
    ),
  ];
}

function unknownField(problem: string): Violation {
  const field = problem.slice("spec.".length, problem.lastIndexOf(":"));
  return {
    field,
    rule: "unknown-field",
    message: "this host does not know the field; its agent may be older than yours",
  };
}

/** What the API server would refuse only when it sees the Deployment, and then in the Deployment's words. */
function ownChecks(app: RemoteAppSpec): Violation[] {
  return [...placed(app), ...twice(app), ...quantities(app)];
}

/** Where it runs is here, and a wish that says more was not made by an origin as it should be. */
function placed(app: RemoteAppSpec): Violation[] {
  if (app.peer === undefined) return [];
  return [{ field: "peer", rule: "peer", message: "a wish names no peer: it is for the one that hears it" }];
}

function twice(app: RemoteAppSpec): Violation[] {
  const seen = new Set<string>();
  const found: Violation[] = [];
  const check = (key: string, field: string, message: string): void => {
    if (seen.has(key)) found.push({ field, rule: "unique", message });
    seen.add(key);
  };
  app.ports.forEach((port, index) => {
    const transport = port.appProtocol === "udp" ? "UDP" : "TCP";
    check(
      `port ${port.containerPort}/${transport}`,
      `ports[${index}].containerPort`,
      `${port.containerPort}/${transport} is named twice`,
    );
    if (port.name) check(`name ${port.name}`, `ports[${index}].name`, `the name "${port.name}" is used twice`);
  });
  app.env.forEach((env, index) => {
    check(`env ${env.name}`, `env[${index}].name`, `the variable "${env.name}" is set twice`);
  });
  return found;
}

function quantities(app: RemoteAppSpec): Violation[] {
  const found: Violation[] = [];
  const read = (part: "requests" | "limits", name: string): bigint | undefined => {
    const value = app.resources?.[part][name]?.kind;
    if (!value) return undefined;
    const quantity =
      value.case === "stringValue" || value.case === "numberValue" ? parseQuantity(value.value) : undefined;
    const field = `resources.${part}[${name}]`;
    if (quantity === undefined)
      found.push({ field, rule: "quantity", message: "not a quantity such as 500m, 1 or 256Mi" });
    else if (quantity < 0n) found.push({ field, rule: "quantity", message: "must not be negative" });
    return quantity;
  };
  for (const name of Object.keys(app.resources?.limits ?? {})) read("limits", name);
  for (const name of Object.keys(app.resources?.requests ?? {})) {
    const request = read("requests", name);
    const limit = app.resources?.limits[name] ? parseLimit(app, name) : undefined;
    if (request !== undefined && limit !== undefined && request > limit) {
      found.push({ field: `resources.requests[${name}]`, rule: "quantity", message: "is more than the limit" });
    }
  }
  return found;
}

function parseLimit(app: RemoteAppSpec, name: string): bigint | undefined {
  const kind = app.resources?.limits[name]?.kind;
  return kind?.case === "stringValue" || kind?.case === "numberValue" ? parseQuantity(kind.value) : undefined;
}

function refuse(violations: Violation[]): { ok: false; refusal: Refusal } {
  const named = violations.slice(0, 3).map(({ field, message }) => (field ? `${field}: ${message}` : message));
  const more = violations.length > 3 ? `; and ${violations.length - 3} more` : "";
  return { ok: false, refusal: { reason: "Invalid", message: `${named.join("; ")}${more}.`, violations } };
}
