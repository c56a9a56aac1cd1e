import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { DescMessage, FileRegistry } from "@bufbuild/protobuf";
import { UntranslatableError } from "../../proto/plugin/json-schema.ts";
import { schemasOf } from "../../proto/plugin/openapi/schemas.ts";
import { readFixtureProtos } from "./fixture-protos.ts";

describe("a schema of the OpenAPI document", () => {
  let registry: FileRegistry;
  before(() => {
    registry = readFixtureProtos();
  });
  const message = (name: string): DescMessage =>
    registry.getMessage(`fairlead.test.rules.${name}`) ?? assert.fail(`there is no message ${name}`);

  test("says rules of protos in the words of JSON Schema, as they hold for JSON", () => {
    const ruled = "fairlead.test.rules.Ruled";
    const kind = `${ruled}.Kind`;
    const { [ruled]: schema, [kind]: kinds } = schemasOf([message("Ruled")]);
    assert.deepEqual(kinds, { type: "string", enum: ["KIND_UNSPECIFIED", "KIND_SMALL", "KIND_LARGE"] });
    assert.deepEqual(schema, {
      description: "It makes sense.",
      type: "object",
      properties: {
        plain: { type: "string" },
        name: { type: "string", minLength: 1, maxLength: 63, pattern: "^[a-z]+$" },
        maybe: { type: "string", minLength: 1 },
        port: { type: "integer", format: "int32", minimum: 1, exclusiveMaximum: 65536 },
        big: { description: "At least 0.", type: "string", format: "int64", pattern: "^-?[0-9]{1,19}$" },
        data: { type: "string", contentEncoding: "base64", maxLength: 16 },
        tags: { type: "array", items: { type: "string", minLength: 1 }, maxItems: 3, uniqueItems: true },
        sizes: {
          type: "object",
          propertyNames: { maxLength: 5 },
          additionalProperties: { type: "integer", format: "int32", exclusiveMinimum: 0 },
          minProperties: 1,
        },
        kind: { $ref: `#/components/schemas/${kind}`, enum: ["KIND_SMALL", "KIND_LARGE"] },
        inner: { $ref: `#/components/schemas/${ruled}` },
        free: { type: "object", additionalProperties: true },
        lasting: { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$", description: 'Such as "1.5s".' },
        at: { type: "string", format: "date-time" },
        hint: { anyOf: [{ const: "" }, { type: "string", pattern: "^a" }] },
        left: { type: "string" },
        right: { type: "boolean" },
        one: { type: "string" },
        other: { type: "string" },
        text: { type: "string", minLength: 1 },
      },
      // What breaks a rule by being left out has to be there.
      required: ["name", "port", "sizes", "kind", "inner", "text"],
      allOf: [
        {
          oneOf: [
            { required: ["left"] },
            { required: ["right"] },
            { not: { anyOf: [{ required: ["left"] }, { required: ["right"] }] } },
          ],
        },
        { oneOf: [{ required: ["one"] }, { required: ["other"] }] },
      ],
    });
  });

  test("is not made when a rule would be left out of it in silence", () => {
    assert.throws(() => schemasOf([message("Untold")]), UntranslatableError);
  });
});
