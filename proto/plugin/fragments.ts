/**
 * Of Kubernetes' published schema, what a program needs to judge the fragments that resources have (`FieldOptions.kubernetes` on a
 * Struct): the names of fields and their types, in a form that is short enough to be carried in every agent.
 */
import { type DescMessage, getOption } from "@bufbuild/protobuf";
import { field as fieldOption } from "../../src/gen/fairlead/resources/v1alpha1/options_pb.ts";
import { UntranslatableError } from "./json-schema.ts";
import type { Published, PublishedSchema } from "./published.ts";

interface Definition {
  readonly fields: Record<string, string>;
  readonly required?: readonly string[];
}

const prefix = "#/components/schemas/";
/** Definitions that are no objects. */
const simple: Record<string, string> = {
  "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
  "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "string",
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
};

/** A TypeScript module. */
export function fragmentsModule(messages: readonly DescMessage[], published: Published): string {
  const definitions: Record<string, Definition> = {};
  const take = (name: string, where: string): string => {
    const known = simple[name];
    if (known) return known;
    if (!definitions[name]) {
      const { properties = {}, required } = published.definition(name, where);
      const fields: Record<string, string> = {};
      definitions[name] = { fields, ...(required && required.length > 0 ? { required } : {}) };
      for (const [field, schema] of Object.entries(properties)) {
        fields[field] = typeOf(schema, `${name}.${field}`, (other) => take(other, name));
      }
    }
    return name;
  };
  for (const name of rootsOf(messages)) take(name, "a resource");
  const lines = Object.entries(definitions)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, definition]) => `  ${JSON.stringify(name)}: ${JSON.stringify(definition)},`);
  return [
    "/* Generated from proto/kubernetes/published.json. Do not edit. */",
    "",
    "/**",
    " * The definitions of Kubernetes that fragments of our resources obey. A type is `string`, `boolean`, `number`, `int32`, `int64`,",
    " * `quantity`, `int-or-string`, `enum A|B`, the name of a definition, `list T`, `list[key,key] T` (no two entries have the same",
    " * keys) or `map T`.",
    " */",
    "export const fragments: Readonly<",
    "  Record<string, { readonly fields: Readonly<Record<string, string>>; readonly required?: readonly string[] }>",
    "> = {",
    ...lines,
    "};",
  ].join("\n");
}

function rootsOf(messages: readonly DescMessage[]): string[] {
  const roots = new Set<string>();
  const seen = new Set<DescMessage>();
  const visit = (message: DescMessage): void => {
    if (seen.has(message)) return;
    seen.add(message);
    for (const field of message.fields) {
      if (!field.message) continue;
      const { kubernetes } = getOption(field, fieldOption);
      if (field.message.typeName === "google.protobuf.Struct") roots.add(kubernetes ?? "");
      else if (!field.message.typeName.startsWith("google.protobuf.")) visit(field.message);
    }
  };
  messages.forEach(visit);
  return [...roots];
}

function typeOf(schema: PublishedSchema, where: string, take: (name: string) => string): string {
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref;
  if (reference) return take(reference.slice(prefix.length));
  if (schema.enum) return `enum ${schema.enum.join("|")}`;
  if (schema.items) {
    const keys = schema["x-kubernetes-list-map-keys"];
    return `list${keys ? `[${keys.join(",")}]` : ""} ${typeOf(schema.items, where, take)}`;
  }
  if (schema.additionalProperties) return `map ${typeOf(schema.additionalProperties, where, take)}`;
  if (schema.type === "integer") return schema.format === "int64" ? "int64" : "int32";
  if (schema.type === "string" || schema.type === "boolean" || schema.type === "number") return schema.type;
  throw new UntranslatableError(where, `a ${schema.type ?? "thing without a type"} cannot be judged`);
}
