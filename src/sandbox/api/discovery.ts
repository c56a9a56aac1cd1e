/** What the server serves, as clients discover it. */
import { apiVersionOf, type Catalog, type Resource } from "../resource.ts";

export const serverVersion = {
  major: "1",
  minor: "34",
  gitVersion: "v1.34.0+fairlead-sandbox",
  gitCommit: "0000000000000000000000000000000000000000",
  gitTreeState: "clean",
  buildDate: "2026-01-01T00:00:00Z",
  goVersion: "go1.25",
  compiler: "node",
  platform: "linux/amd64",
};

/** Review kinds: one may create them and nothing else. */
export const reviewKinds = [
  { group: "authentication.k8s.io", plural: "tokenreviews", kind: "TokenReview" },
  { group: "authorization.k8s.io", plural: "subjectaccessreviews", kind: "SubjectAccessReview" },
  { group: "authorization.k8s.io", plural: "selfsubjectaccessreviews", kind: "SelfSubjectAccessReview" },
] as const;

const allVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/** `/api`, `/apis`, `/apis/<group>`, `/api/v1`, `/apis/<group>/<version>`; undefined when the path is none of these. */
export function discover(path: string, catalog: Catalog): object | undefined {
  const parts = path.split("/").filter(Boolean);
  if (path === "/api" || path === "/api/") {
    return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
  }
  if (path === "/apis" || path === "/apis/") {
    return { kind: "APIGroupList", apiVersion: "v1", groups: groupNames(catalog).map((name) => group(name, catalog)) };
  }
  if (parts[0] === "apis" && parts.length === 2) {
    const [, name = ""] = parts;
    if (!groupNames(catalog).includes(name)) return undefined;
    return { kind: "APIGroup", apiVersion: "v1", ...group(name, catalog) };
  }
  if (parts[0] === "api" && parts.length === 2) return resourceList("", parts[1] ?? "", catalog);
  if (parts[0] === "apis" && parts.length === 3) return resourceList(parts[1] ?? "", parts[2] ?? "", catalog);
  return undefined;
}

/** Every group and version that is served, such as `v1` and `apps/v1`. */
export function groupVersions(catalog: Catalog): string[] {
  const all = [...catalog.list().map(apiVersionOf), ...reviewKinds.map((review) => `${review.group}/v1`)];
  return [...new Set(all)];
}

function groupNames(catalog: Catalog): string[] {
  const all = [...catalog.list().map((resource) => resource.group), ...reviewKinds.map((review) => review.group)];
  return [...new Set(all)].filter(Boolean);
}

function group(name: string, catalog: Catalog): object {
  const versions = groupVersions(catalog)
    .filter((groupVersion) => groupVersion.startsWith(`${name}/`))
    .map((groupVersion) => ({ groupVersion, version: groupVersion.slice(name.length + 1) }));
  return { name, versions, preferredVersion: versions[0] };
}

function resourceList(group: string, version: string, catalog: Catalog): object | undefined {
  const served = catalog.list().filter((resource) => resource.group === group && resource.version === version);
  const reviews = version === "v1" ? reviewKinds.filter((review) => review.group === group) : [];
  if (served.length === 0 && reviews.length === 0) return undefined;
  const resources = [
    ...served.flatMap(entries),
    ...reviews.map(({ plural, kind }) => ({
      name: plural,
      singularName: "",
      namespaced: false,
      kind,
      verbs: ["create"],
    })),
  ];
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: group ? `${group}/${version}` : version,
    resources,
  };
}

function entries(resource: Resource): object[] {
  const { plural, singular, namespaced, kind, shortNames, categories } = resource;
  const sub = (name: string, subKind: string, verbs: string[], extra: object = {}): object => ({
    name: `${plural}/${name}`,
    singularName: "",
    namespaced,
    kind: subKind,
    verbs,
    ...extra,
  });
  const scaleGroup = { group: "autoscaling", version: "v1" };
  return [
    {
      name: plural,
      singularName: singular,
      namespaced,
      kind,
      verbs: allVerbs,
      ...(shortNames.length > 0 ? { shortNames } : {}),
      ...(categories.length > 0 ? { categories } : {}),
      storageVersionHash: "",
    },
    ...(resource.status ? [sub("status", kind, ["get", "patch", "update"])] : []),
    ...(resource.scale ? [sub("scale", "Scale", ["get", "patch", "update"], scaleGroup)] : []),
    ...(plural === "pods" && !resource.custom
      ? [
          sub("log", kind, ["get"]),
          sub("exec", "PodExecOptions", ["create", "get"]),
          sub("portforward", "PodPortForwardOptions", ["create", "get"]),
        ]
      : []),
  ];
}
