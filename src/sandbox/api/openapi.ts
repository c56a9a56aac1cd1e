/**
 * As much of `/openapi/v3` as kubectl needs to learn that the server validates fields itself: for each kind a PATCH
 * that takes `fieldValidation`. Custom kinds also show their schema, so that `kubectl explain` has something to say.
 */
import { apiVersionOf, type Catalog, type Resource } from "../resource.ts";
import { groupVersions } from "./discovery.ts";

export function openApi(path: string, catalog: Catalog): object | undefined {
  const paths = new Map(
    groupVersions(catalog).map((version) => [version.includes("/") ? `apis/${version}` : `api/${version}`, version]),
  );
  if (path === "/openapi/v3") {
    return {
      paths: Object.fromEntries([...paths.keys()].map((key) => [key, { serverRelativeURL: `/openapi/v3/${key}` }])),
    };
  }
  const version = paths.get(path.slice("/openapi/v3/".length));
  if (!version) return undefined;
  const resources = catalog.list().filter((resource) => apiVersionOf(resource) === version);
  return {
    openapi: "3.0.0",
    info: { title: "Fairlead sandbox", version: "1" },
    paths: Object.fromEntries(resources.map((resource) => [pathOf(resource), operations(resource)])),
    components: {
      schemas: Object.fromEntries(resources.filter((r) => r.custom).map((r) => [schemaName(r), schemaOf(r)])),
    },
  };
}

function pathOf(resource: Resource): string {
  const root = resource.group ? `/apis/${resource.group}/${resource.version}` : `/api/${resource.version}`;
  return `${root}${resource.namespaced ? "/namespaces/{namespace}" : ""}/${resource.plural}/{name}`;
}

function operations(resource: Resource): object {
  const query = (name: string): object => ({ name, in: "query", schema: { type: "string", uniqueItems: true } });
  const parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map(query);
  const about = { "x-kubernetes-group-version-kind": gvk(resource) };
  return {
    get: { ...about, "x-kubernetes-action": "get", responses: {} },
    patch: { ...about, "x-kubernetes-action": "patch", parameters, responses: {} },
  };
}

function gvk({ group, version, kind }: Resource): object {
  return { group, version, kind };
}

function schemaName(resource: Resource): string {
  return `${resource.group.split(".").reverse().join(".")}.${resource.version}.${resource.kind}`;
}

function schemaOf(resource: Resource): object {
  const { metadata: _metadata, ...properties } = resource.schema.properties ?? {};
  return {
    ...resource.schema,
    properties: { ...properties, metadata: { type: "object" } },
    "x-kubernetes-group-version-kind": [gvk(resource)],
  };
}
