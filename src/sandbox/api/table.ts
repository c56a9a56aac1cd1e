/** The tables that `kubectl get` asks for. */
import type { KubeObject } from "../object.ts";
import type { Resource } from "../resource.ts";

type Include = "None" | "Metadata" | "Object";

export function includeOf(query: URLSearchParams): Include {
  const asked = query.get("includeObject");
  return asked === "None" || asked === "Object" ? asked : "Metadata";
}

/** `withColumns` is left out of all but the first event of a watch. */
export function table(
  resource: Resource,
  objects: readonly KubeObject[],
  metadata: object,
  include: Include,
  nowMs: number,
  withColumns = true,
): object {
  const columns = resource.columns.map(({ name, type, format = "", description = "", priority = 0 }) => ({
    name,
    type,
    format,
    description,
    priority,
  }));
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: withColumns ? columns : null,
    rows: objects.map((object) => ({
      cells: resource.columns.map((column) => column.cell(object, nowMs)),
      ...(include === "None" ? {} : { object: include === "Object" ? object : partial(object) }),
    })),
  };
}

/** Only the metadata, as kubectl's tables carry it. */
function partial(object: KubeObject): object {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}
