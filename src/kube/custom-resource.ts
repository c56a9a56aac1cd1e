/** How one of our own resources is read from and written as JSON. Pure. */
import { type DescField, type DescMessage, fromJson, type MessageShape, toJson } from "@bufbuild/protobuf";
import { errorText } from "../base/error-text.ts";
import { fragmentProblems } from "./fragments.ts";
import { isJsonObject, type JsonObject, type JsonValue, type Resource } from "./object.ts";
import { apiVersionOf, type ResourceKind } from "./resource-kind.ts";

/** Describes a resource whose spec and status are these messages. */
export function customResource<Spec extends DescMessage, Status extends DescMessage>(o: {
  plural: string;
  kind: string;
  spec: Spec;
  status: Status;
}): ResourceKind<Resource<MessageShape<Spec>, MessageShape<Status>>> {
  const address = { group: "fairlead.dev", version: "v1alpha1", plural: o.plural, kind: o.kind, namespaced: true };
  return {
    ...address,
    parse(json) {
      const { message: spec, problems } = readSpec(o.spec, json.spec ?? {});
      const status = isJsonObject(json.status) ? readStatus(o.status, json.status) : undefined;
      return {
        apiVersion: apiVersionOf(address),
        kind: o.kind,
        metadata: isJsonObject(json.metadata) ? json.metadata : {},
        spec,
        ...(status ? { status } : {}),
        ...(problems.length > 0 ? { problems } : {}),
      };
    },
    format: (object) => ({
      ...(object.metadata ? { metadata: plain(object.metadata) } : {}),
      ...(object.spec ? { spec: plain(toJson(o.spec, object.spec)) } : {}),
      ...(object.status ? { status: plain(toJson(o.status, object.status)) } : {}),
    }),
  };
}

function readSpec<S extends DescMessage>(schema: S, json: JsonValue): { message: MessageShape<S>; problems: string[] } {
  const inFragments = fragmentProblems(schema, json, "spec").map(({ path, message }) => `${path}: ${message}`);
  const problems = [...findUnknown(schema, json, "spec"), ...inFragments];
  try {
    return { message: fromJson(schema, json, { ignoreUnknownFields: true }), problems };
  } catch (error) {
    const why = errorText(error);
    return { message: fromJson(schema, {}), problems: [...problems, `spec: ${why}`] };
  }
}

/** A status is only ever shown, so one that a newer version wrote is read as far as it is known, or not at all. */
function readStatus<S extends DescMessage>(schema: S, json: JsonValue): MessageShape<S> | undefined {
  try {
    return fromJson(schema, json, { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}

/** The paths of fields in `json` that the message does not have, each with what is wrong, such as "spec.foo: unknown field". */
export function findUnknown(schema: DescMessage, json: JsonValue, path: string): string[] {
  if (!isJsonObject(json) || schema.typeName.startsWith("google.protobuf.")) return [];
  const fields = new Map(schema.fields.map((field) => [field.jsonName, field]));
  return Object.entries(json).flatMap(([name, value]) => {
    const field = fields.get(name);
    return field ? findUnknownIn(field, value, `${path}.${name}`) : [`${path}.${name}: unknown field`];
  });
}

function findUnknownIn(field: DescField, value: JsonValue, path: string): string[] {
  if (!field.message) return [];
  const { message } = field;
  if (field.fieldKind === "list") {
    return Array.isArray(value) ? value.flatMap((item, index) => findUnknown(message, item, `${path}[${index}]`)) : [];
  }
  if (field.fieldKind === "map") {
    return isJsonObject(value)
      ? Object.entries(value).flatMap(([key, item]) =>
          // As a key of an object of ours it would be no entry, but its prototype.
          key === "__proto__" ? [`${path}.${key}: unknown field`] : findUnknown(message, item, `${path}[${key}]`),
        )
      : [];
  }
  return findUnknown(message, value, path);
}

/** Through JSON and back: what is sent is exactly what JSON can say, without undefined. */
function plain(value: unknown): JsonObject {
  return JSON.parse(JSON.stringify(value));
}
