/** Kubernetes' published schema, reduced to what our resources refer to (`proto/kubernetes/reduce.ts`). */
import { readFileSync } from "node:fs";
import { intOrString, type JsonSchema, quantity, UntranslatableError } from "./json-schema.ts";

/** A definition as the API server publishes it: with references, which a structural schema may not have. */
export interface PublishedSchema extends Omit<JsonSchema, "items" | "properties" | "additionalProperties"> {
  $ref?: string;
  allOf?: PublishedSchema[];
  oneOf?: { type: string }[];
  items?: PublishedSchema;
  properties?: Record<string, PublishedSchema>;
  additionalProperties?: PublishedSchema;
  // Published, and no part of a CustomResourceDefinition: an API server refuses the first, and drops the others, whereupon each who applies
  // the definition again, such as Helm, finds that somebody has changed it.
  "x-kubernetes-unions"?: unknown;
  "x-kubernetes-patch-strategy"?: unknown;
  "x-kubernetes-patch-merge-key"?: unknown;
}

export interface Published {
  /** Throws when there is no such definition. `where` is who asks, for the message. */
  definition(name: string, where: string): PublishedSchema;
  /** The same without references, as a structural schema. */
  structural(schema: PublishedSchema, where: string): JsonSchema;
  /**
   * A whole definition as the value of a field. Without descriptions: `kubectl explain pod` has them, and with them a definition that has a
   * few Containers is longer than what kubectl can apply (256 KiB). `keys` are the fields by which the entries of a list are told apart.
   */
  fragment(name: string, where: string, keys: readonly string[]): JsonSchema;
}

/** The same, for a resource that only we write: fragments are stored as they come, and whoever writes them has looked at them. */
export function withOpenFragments(published: Published): Published {
  return {
    ...published,
    fragment(name, where, keys) {
      const { properties = {} } = published.fragment(name, where, keys);
      const kept = keys.map((key) => [key, properties[key] ?? {}]);
      return {
        type: "object",
        title: `Kubernetes' ${name.slice(name.lastIndexOf(".") + 1)}`,
        "x-kubernetes-preserve-unknown-fields": true,
        ...(keys.length > 0 ? { properties: Object.fromEntries(kept), required: [...keys] } : {}),
      };
    },
  };
}

const prefix = "#/components/schemas/";
const quantityName = "io.k8s.apimachinery.pkg.api.resource.Quantity";

export function readPublished(path: string | URL): Published {
  const file: { definitions: Record<string, PublishedSchema> } = JSON.parse(readFileSync(path, "utf8"));

  function definition(name: string, where: string): PublishedSchema {
    const found = file.definitions[name];
    if (!found)
      throw new UntranslatableError(where, `proto/kubernetes/published.json has no ${name}; add it in reduce.ts`);
    return found;
  }

  function structural(schema: PublishedSchema, where: string, above: readonly string[] = []): JsonSchema {
    const {
      $ref,
      allOf,
      oneOf,
      items,
      properties,
      additionalProperties,
      "x-kubernetes-unions": _unions,
      "x-kubernetes-patch-strategy": _strategy,
      "x-kubernetes-patch-merge-key": _key,
      ...own
    } = schema;
    const reference = $ref ?? allOf?.[0]?.$ref;
    if (reference) {
      const name = reference.slice(prefix.length);
      if (above.includes(name)) throw new UntranslatableError(where, `${name} contains itself`);
      const target: JsonSchema =
        name === quantityName ? quantity() : structural(definition(name, where), where, [...above, name]);
      return own.description ? { ...target, description: own.description } : target;
    }
    // An empty object or string as a default says nothing; as a default of ours it would be written into each object.
    const { default: usual, ...plain } = own;
    const kept: JsonSchema =
      usual === "" || isEmptyObject(usual) || usual === undefined ? plain : { ...plain, default: usual };
    if (own.format === "int-or-string")
      return { ...(own.description ? { description: own.description } : {}), ...intOrString() };
    if (oneOf) throw new UntranslatableError(where, "the published schema has a oneOf that no rule is known for");
    return {
      ...kept,
      ...(items ? { items: structural(items, where, above) } : {}),
      ...(properties ? { properties: mapValues(properties, (each) => structural(each, where, above)) } : {}),
      ...(additionalProperties ? { additionalProperties: structural(additionalProperties, where, above) } : {}),
    };
  }

  return {
    definition,
    structural: (schema, where) => structural(schema, where),
    fragment(name, where, keys) {
      const schema = undescribed(structural(definition(name, where), where));
      const missing = keys.find((key) => !schema.properties?.[key]);
      if (missing) throw new UntranslatableError(where, `its entries have no field ${missing}`);
      return schema;
    },
  };
}

function undescribed({ description, ...schema }: JsonSchema): JsonSchema {
  const { items, properties, additionalProperties } = schema;
  return {
    ...schema,
    ...(items ? { items: undescribed(items) } : {}),
    ...(properties ? { properties: mapValues(properties, undescribed) } : {}),
    ...(additionalProperties ? { additionalProperties: undescribed(additionalProperties) } : {}),
  };
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
