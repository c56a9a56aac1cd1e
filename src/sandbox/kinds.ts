/** Kubernetes' own kinds, as far as the sandbox serves them. */
import { ageColumn, builtinColumns, nameColumn } from "./columns.ts";
import type { Face, Resource } from "./resource.ts";
import { anything, type Definitions, type Schema } from "./schema/schema.ts";

interface Kind {
  group: string;
  version?: string;
  plural: string;
  kind: string;
  definition: string;
  shortNames?: string[];
  categories?: string[];
  cluster?: boolean;
  status?: boolean;
  generation?: boolean;
  scale?: boolean;
  faceOf?: Face;
  unenforced?: boolean;
}

/** `events.k8s.io` shows the Events of the core group in newer words. */
const newerEvents: Face = {
  group: "",
  plural: "events",
  stored: {
    regarding: "involvedObject",
    note: "message",
    reportingController: "reportingComponent",
    deprecatedSource: "source",
    deprecatedFirstTimestamp: "firstTimestamp",
    deprecatedLastTimestamp: "lastTimestamp",
    deprecatedCount: "count",
  },
};

const kinds: readonly Kind[] = [
  {
    group: "",
    plural: "namespaces",
    kind: "Namespace",
    definition: "core.v1.Namespace",
    shortNames: ["ns"],
    cluster: true,
    status: true,
  },
  { group: "", plural: "configmaps", kind: "ConfigMap", definition: "core.v1.ConfigMap", shortNames: ["cm"] },
  { group: "", plural: "secrets", kind: "Secret", definition: "core.v1.Secret" },
  {
    group: "",
    plural: "serviceaccounts",
    kind: "ServiceAccount",
    definition: "core.v1.ServiceAccount",
    shortNames: ["sa"],
  },
  {
    group: "",
    plural: "services",
    kind: "Service",
    definition: "core.v1.Service",
    shortNames: ["svc"],
    categories: ["all"],
    status: true,
  },
  {
    group: "",
    plural: "nodes",
    kind: "Node",
    definition: "core.v1.Node",
    shortNames: ["no"],
    cluster: true,
    status: true,
  },
  {
    group: "",
    plural: "persistentvolumeclaims",
    kind: "PersistentVolumeClaim",
    definition: "core.v1.PersistentVolumeClaim",
    shortNames: ["pvc"],
    status: true,
  },
  { group: "", plural: "endpoints", kind: "Endpoints", definition: "core.v1.Endpoints", shortNames: ["ep"] },
  {
    group: "",
    plural: "pods",
    kind: "Pod",
    definition: "core.v1.Pod",
    shortNames: ["po"],
    categories: ["all"],
    status: true,
    generation: true,
  },
  { group: "", plural: "events", kind: "Event", definition: "core.v1.Event", shortNames: ["ev"] },
  {
    group: "events.k8s.io",
    plural: "events",
    kind: "Event",
    definition: "core.v1.Event",
    shortNames: ["ev"],
    faceOf: newerEvents,
  },
  {
    group: "",
    plural: "resourcequotas",
    kind: "ResourceQuota",
    definition: "core.v1.ResourceQuota",
    shortNames: ["quota"],
    status: true,
    unenforced: true,
  },
  {
    group: "",
    plural: "limitranges",
    kind: "LimitRange",
    definition: "core.v1.LimitRange",
    shortNames: ["limits"],
    unenforced: true,
  },
  {
    group: "apps",
    plural: "deployments",
    kind: "Deployment",
    definition: "apps.v1.Deployment",
    shortNames: ["deploy"],
    categories: ["all"],
    status: true,
    generation: true,
    scale: true,
  },
  {
    group: "apps",
    plural: "replicasets",
    kind: "ReplicaSet",
    definition: "apps.v1.ReplicaSet",
    shortNames: ["rs"],
    categories: ["all"],
    status: true,
    generation: true,
    scale: true,
  },
  {
    group: "apps",
    plural: "statefulsets",
    kind: "StatefulSet",
    definition: "apps.v1.StatefulSet",
    shortNames: ["sts"],
    categories: ["all"],
    status: true,
    generation: true,
    scale: true,
  },
  {
    group: "apps",
    plural: "controllerrevisions",
    kind: "ControllerRevision",
    definition: "apps.v1.ControllerRevision",
  },
  {
    group: "batch",
    plural: "jobs",
    kind: "Job",
    definition: "batch.v1.Job",
    categories: ["all"],
    status: true,
    generation: true,
  },
  {
    group: "batch",
    plural: "cronjobs",
    kind: "CronJob",
    definition: "batch.v1.CronJob",
    shortNames: ["cj"],
    categories: ["all"],
    status: true,
    generation: true,
  },
  { group: "coordination.k8s.io", plural: "leases", kind: "Lease", definition: "coordination.v1.Lease" },
  {
    group: "discovery.k8s.io",
    plural: "endpointslices",
    kind: "EndpointSlice",
    definition: "discovery.v1.EndpointSlice",
    generation: true,
  },
  {
    group: "networking.k8s.io",
    plural: "networkpolicies",
    kind: "NetworkPolicy",
    definition: "networking.v1.NetworkPolicy",
    shortNames: ["netpol"],
    generation: true,
    unenforced: true,
  },
  {
    group: "rbac.authorization.k8s.io",
    plural: "roles",
    kind: "Role",
    definition: "rbac.v1.Role",
    unenforced: true,
  },
  {
    group: "rbac.authorization.k8s.io",
    plural: "rolebindings",
    kind: "RoleBinding",
    definition: "rbac.v1.RoleBinding",
    unenforced: true,
  },
  {
    group: "apiextensions.k8s.io",
    plural: "customresourcedefinitions",
    kind: "CustomResourceDefinition",
    definition: "",
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    cluster: true,
    status: true,
    generation: true,
  },
];

export function builtinResources(definitions: Definitions): Resource[] {
  return kinds.map(
    (kind): Resource => ({
      group: kind.group,
      version: kind.version ?? "v1",
      plural: kind.plural,
      singular: kind.kind.toLowerCase(),
      kind: kind.kind,
      listKind: `${kind.kind}List`,
      shortNames: kind.shortNames ?? [],
      categories: kind.categories ?? [],
      namespaced: !kind.cluster,
      schema: kind.definition ? (definitions.get(kind.definition) ?? anything) : definitionSchema(definitions),
      status: kind.status ?? false,
      generation: kind.generation ?? false,
      annotationsCount: kind.kind === "Deployment",
      custom: false,
      columns: builtinColumns[kind.plural] ?? [nameColumn, ageColumn],
      ...(kind.faceOf ? { faceOf: kind.faceOf } : {}),
      ...(kind.unenforced ? { unenforced: true } : {}),
      ...(kind.scale
        ? {
            scale: {
              specReplicasPath: ".spec.replicas",
              statusReplicasPath: ".status.replicas",
              labelSelectorPath: ".spec.selector",
            },
          }
        : {}),
    }),
  );
}

/** CustomResourceDefinitions are kept as they are written: `crd.ts` reads what it serves from them. */
function definitionSchema(definitions: Definitions): Schema {
  return {
    type: "object",
    required: ["spec"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: definitions.get("apis.meta.v1.ObjectMeta") ?? anything,
      spec: {
        type: "object",
        required: ["group", "names", "scope", "versions"],
        properties: {
          group: { type: "string" },
          scope: { type: "string", enum: ["Cluster", "Namespaced"] },
          names: anything,
          conversion: anything,
          preserveUnknownFields: { type: "boolean" },
          versions: { type: "array", items: anything, "x-kubernetes-list-type": "atomic" },
        },
      },
      status: anything,
    },
  };
}
