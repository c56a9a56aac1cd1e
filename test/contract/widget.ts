/** The custom resource of the contract tests. */

/** A definition with one of each thing that ours have. */
export function widgetDefinition(group: string): object {
  const condition = {
    type: "object",
    required: ["type", "status"],
    properties: Object.fromEntries(
      ["type", "status", "reason", "message"]
        .map((field) => [field, { type: "string" }])
        .concat([["lastTransitionTime", { type: "string", format: "date-time" }] as never]),
    ),
  };
  const spec = {
    type: "object",
    required: ["size"],
    properties: {
      size: { type: "integer" },
      replicas: { type: "integer", default: 1, minimum: 0 },
      mode: { type: "string", enum: ["auto", "manual"], default: "auto" },
      tags: { type: "array", items: { type: "string" } },
      parts: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        items: {
          type: "object",
          required: ["name"],
          properties: { name: { type: "string" }, weight: { type: "integer", maximum: 100 } },
        },
      },
      free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      amount: { "x-kubernetes-int-or-string": true },
      either: { type: "string" },
      or: { type: "string" },
      names: { type: "array", maxItems: 9, items: { type: "string", maxLength: 63 } },
      labels: { type: "object", maxProperties: 9, additionalProperties: { type: "string", maxLength: 63 } },
    },
    "x-kubernetes-validations": [
      { rule: "!(has(self.either) && has(self.or))", message: "name one of either and or" },
      {
        rule: "(!has(self.names) || self.names.size() == 0) || (!has(self.labels) || self.labels.size() == 0)",
        message: "select by names or by labels",
      },
    ],
  };
  const status = {
    type: "object",
    properties: {
      phase: { type: "string" },
      replicas: { type: "integer" },
      selector: { type: "string" },
      conditions: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        items: condition,
      },
    },
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: {
        plural: "widgets",
        singular: "widget",
        kind: "Widget",
        listKind: "WidgetList",
        shortNames: ["wd"],
        categories: ["contract"],
      },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", properties: { spec, status } } },
          subresources: {
            status: {},
            scale: {
              specReplicasPath: ".spec.replicas",
              statusReplicasPath: ".status.replicas",
              labelSelectorPath: ".status.selector",
            },
          },
          additionalPrinterColumns: [
            { name: "Size", type: "integer", jsonPath: ".spec.size" },
            { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
            { name: "Mode", type: "string", jsonPath: ".spec.mode", priority: 1 },
            { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
          ],
        },
      ],
    },
  };
}
