/** A resource's reference page, in Markdown. */
import { type DescMessage, getOption } from "@bufbuild/protobuf";
import { resource as resourceOption } from "../../src/gen/fairlead/resources/v1alpha1/options_pb.ts";
import type { JsonSchema } from "./json-schema.ts";
import { describe, messageSchema } from "./message-schema.ts";
import { type Published, withOpenFragments } from "./published.ts";

export function page(message: DescMessage, published: Published): string {
  const options = getOption(message, resourceOption);
  const schema = messageSchema(message, withOpenFragments(published));
  const names = [options.plural, ...options.shortNames].map((name) => `\`kubectl get ${name}\``);
  return [
    `# ${message.name}`,
    describe(message),
    `\`apiVersion: fairlead.dev/v1alpha1\`, \`kind: ${message.name}\`. ${names.join(" or ")}, or all of Fairlead's together: \`kubectl get fairlead\`.`,
    ...rules(schema),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, each]) => section(name, each)),
    "",
  ].join("\n\n");
}

function rules(schema: JsonSchema): string[] {
  return (schema["x-kubernetes-validations"] ?? []).map(({ message, rule }) => `Rule: ${message} (\`${rule}\`).`);
}

/** A table of an object's fields, then a section for each object inside. */
function section(path: string, schema: JsonSchema): string[] {
  const fields = Object.entries(schema.properties ?? {});
  const lines = fields.map(([name, field]) => {
    const needed = schema.required?.includes(name) ? " (required)" : "";
    return `| \`${name}\`${needed} | ${typeName(field)} | ${cell(field.description ?? "")}${cell(constraints(field))} |`;
  });
  const inner = fields.flatMap(([name, field]) => {
    if ((field.items ?? field).title) return [];
    if (field.properties) return section(`${path}.${name}`, field);
    if (field.items?.properties) return section(`${path}.${name}[]`, field.items);
    return [];
  });
  const table = ["| field | type | meaning |", "|---|---|---|", ...lines].join("\n");
  return [`## ${path}`, ...(schema.description ? [schema.description] : []), ...rules(schema), table, ...inner];
}

function typeName(schema: JsonSchema): string {
  if (schema["x-kubernetes-int-or-string"]) return schema.pattern ? "quantity" : "integer or string";
  if (schema.items) return `list of ${typeName(schema.items)}`;
  if (schema.additionalProperties) return `map of ${typeName(schema.additionalProperties)}`;
  return schema.format === "date-time" ? "time" : (schema.title ?? schema.type ?? "anything");
}

function constraints(schema: JsonSchema): string {
  const keys = schema["x-kubernetes-list-map-keys"];
  const parts = [
    schema.default === undefined ? "" : `Default \`${JSON.stringify(schema.default)}\`.`,
    schema.enum ? `One of ${schema.enum.map((each) => `\`${each}\``).join(", ")}.` : "",
    schema.pattern && !schema["x-kubernetes-int-or-string"] ? `Matches \`${schema.pattern}\`.` : "",
    range("Value", schema.minimum, schema.maximum),
    range("Length", schema.minLength, schema.maxLength),
    range("Entries", schema.minItems ?? schema.minProperties, schema.maxItems ?? schema.maxProperties),
    keys ? `Entries differ in ${keys.map((key) => `\`${key}\``).join(" and ")}.` : "",
    schema["x-kubernetes-list-type"] === "set" ? "Each entry once." : "",
    schema.items ? constraints(schema.items) : "",
  ];
  const text = parts.filter((part) => part !== "").join(" ");
  return text === "" ? "" : ` ${text}`;
}

function range(what: string, least: number | undefined, most: number | undefined): string {
  if (least !== undefined && most !== undefined) return `${what} ${least} to ${most}.`;
  if (least !== undefined) return `${what} at least ${least}.`;
  return most === undefined ? "" : `${what} at most ${most}.`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n\n", "<br>");
}
