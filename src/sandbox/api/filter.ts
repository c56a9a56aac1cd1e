import { at } from "../json.ts";
import type { KubeObject } from "../object.ts";
import type { Resource } from "../resource.ts";
import { parseFieldSelector, parseLabelSelector } from "../selectors.ts";
import { badRequest } from "../status-error.ts";
import type { Target } from "./request.ts";

export type Filter = (object: KubeObject) => boolean;

/** Fields besides name and namespace that may be selected on, as the real server allows them. */
const selectable: Readonly<Record<string, readonly string[]>> = {
  pods: [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
  ],
  namespaces: ["status.phase"],
  secrets: ["type"],
  events: [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
};

/** What a list, watch or deletecollection asks for by name, labels and fields. Throws a 400 for what cannot be read. */
export function filterOf(resource: Resource, target: Target, query: URLSearchParams): Filter {
  const matchesLabels = parseLabelSelector(query.get("labelSelector"));
  const fields = parseFieldSelector(query.get("fieldSelector"));
  const known = [
    "metadata.name",
    "metadata.namespace",
    ...(resource.custom ? [] : (selectable[resource.plural] ?? [])),
  ];
  for (const { path } of fields) {
    if (!known.includes(path)) {
      throw badRequest(
        `Unable to find "${resource.group ? `${resource.group}/` : ""}${resource.version}, Resource=${resource.plural}" that match label selector "", field selector "${query.get("fieldSelector") ?? ""}": field label not supported: ${path}`,
      );
    }
  }
  return (object) =>
    (target.namespace === undefined || object.metadata.namespace === target.namespace) &&
    matchesLabels(object.metadata.labels) &&
    fields.every(({ path, equals, negated }) => (String(at(object, ...path.split(".")) ?? "") === equals) !== negated);
}
