import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { before, test } from "node:test";
import type { DescMessage, FileRegistry } from "@bufbuild/protobuf";
import { parse } from "yaml";
import type { JsonSchema } from "../../proto/plugin/json-schema.ts";
import { UntranslatableError } from "../../proto/plugin/json-schema.ts";
import { messageSchema } from "../../proto/plugin/message-schema.ts";
import { readPublished, withOpenFragments } from "../../proto/plugin/published.ts";
import { readFixtureProtos } from "./fixture-protos.ts";

const root = new URL("../..", import.meta.url).pathname;
const published = readPublished(new URL("../../proto/kubernetes/published.json", import.meta.url));
let registry: FileRegistry;

before(() => {
  registry = readFixtureProtos();
});

function trap(name: string): DescMessage {
  return registry.getMessage(`fairlead.test.traps.${name}`) ?? assert.fail(`there is no message ${name}`);
}

const refused: Record<string, RegExp> = {
  ImplicitPresence: /ImplicitPresence\.replicas: the field has no explicit presence/,
  LongInteger: /64-bit integers print as strings/,
  EnumField: /use a string with `in`/,
  DurationField: /a Duration refuses "24h"/,
  TimestampField: /does not print as it was read/,
  FloatField: /only string, bool and int32/,
  BareValue: /must say `int_or_string` or `quantity`/,
  BareStruct: /must say what it is/,
  Recursive: /contains itself/,
  NumberKeys: /keys of a map must be strings/,
  FieldCel: /`cel` cannot be translated; put it on the message/,
  ComparingCel: /`this\.a > 1` cannot be translated/,
  ListCel: /means different things/,
  SizeOfScalar: /size\(\) is of a list or map/,
  LostCel: /there is no field `b`/,
  PrefixRule: /PrefixRule\.a: the rule `string\.prefix` cannot be translated/,
  BytesRule: /`string\.max_bytes` cannot/,
  FormatRule: /`string\.email` cannot/,
  NotInRule: /`int32\.not_in` cannot/,
  IgnoredRule: /`ignore` cannot/,
  InsideOut: /turned inside out/,
  UniqueRule: /`repeated\.unique` cannot/,
  KeyRule: /`map\.keys` cannot/,
  LostKey: /have no field nothing/,
  SetOfMessages: /only scalars make a set/,
  WrongDefault: /another type than the field/,
  NotInKubernetes: /no such field/,
  OtherThanKubernetes: /Kubernetes has "string" where this is "integer"/,
  UnknownToKubernetes: /has no io\.k8s\.api\.core\.v1\.Nothing/,
};

for (const [name, why] of Object.entries(refused)) {
  test(`a declaration that does not mean the same in both places fails the generation: ${name}`, () => {
    assert.throws(
      () => messageSchema(trap(name), published),
      (error) => error instanceof UntranslatableError && why.test(error.message),
    );
  });
}

test("every trap in the fixture is held by a test", () => {
  const good = ["Choice", "Emptiness", "Excluding", "Fragment", "Good"];
  const file = registry.getFile("traps.proto") ?? assert.fail("the fixture is not there");
  const names = file.messages.map(({ name }) => name).sort();
  assert.deepEqual(names, [...Object.keys(refused), ...good].sort());
});

test("rules that mean the same in both places are translated", () => {
  assert.deepEqual(messageSchema(trap("Good"), published), {
    type: "object",
    properties: {
      name: { type: "string", minLength: 1, maxLength: 9, pattern: "^a" },
      count: { type: "integer", format: "int32", minimum: 0, exclusiveMinimum: true, maximum: 9, default: 1 },
      tags: { type: "array", items: { type: "string", enum: ["x"] }, "x-kubernetes-list-type": "set", minItems: 1 },
    },
    required: ["name", "tags"],
  });
});

test("a oneof becomes a rule in Kubernetes' CEL", () => {
  assert.deepEqual(messageSchema(trap("Choice"), published)["x-kubernetes-validations"], [
    { rule: "[has(self.one), has(self.two)].filter(x, x).size() <= 1", message: "at most one of one, two may be set" },
  ]);
});

test("has() is guarded, because a missing parent is an error in Kubernetes, and reserved words are spelled its way", () => {
  assert.deepEqual(messageSchema(trap("Excluding"), published)["x-kubernetes-validations"], [
    { rule: "!has(self.aB) || (has(self.good) && (has(self.good) && has(self.good.count)))", message: "why" },
    {
      rule: "[has(self.aB), has(self.__namespace__)].filter(x, x).size() == 1",
      message: "exactly one of aB, namespace must be set",
    },
  ]);
});

test("an empty list or map is one that is not there, too", () => {
  assert.deepEqual(messageSchema(trap("Emptiness"), published)["x-kubernetes-validations"], [
    {
      rule: "(!has(self.tags) || self.tags.size() == 0) || (!(has(self.good) && has(self.good.tags)) || self.good.tags.size() == 0)",
      message: "why",
    },
  ]);
});

test("a fragment of a Pod is Kubernetes' own, whole and without references", () => {
  const schema = messageSchema(trap("Fragment"), published).properties?.resources;
  assert.deepEqual(Object.keys(schema?.properties ?? {}), ["claims", "limits", "requests"]);
  assert.equal(schema?.properties?.limits?.additionalProperties?.["x-kubernetes-int-or-string"], true);
  assert.equal(schema?.properties?.claims?.["x-kubernetes-list-type"], "map");
  assert.doesNotMatch(JSON.stringify(schema), /\$ref|allOf|oneOf/);
});

test("a resource that only the agent writes stores fragments as they come, and knows by what entries differ", () => {
  const { properties = {} } = messageSchema(trap("Fragment"), withOpenFragments(published));
  assert.deepEqual(properties.resources?.["x-kubernetes-preserve-unknown-fields"], true);
  assert.equal(properties.resources?.properties, undefined);
  const { fragment } = withOpenFragments(published);
  assert.deepEqual(Object.keys(fragment("io.k8s.api.core.v1.VolumeMount", "here", ["mountPath"]).properties ?? {}), [
    "mountPath",
  ]);
  assert.throws(() => fragment("io.k8s.api.core.v1.VolumeMount", "here", ["nothing"]), /no field nothing/);
});

test("the definitions that are shipped are structural, described, and only of resources that some code reads", () => {
  for (const plural of ["peers", "peerpolicies", "remoteapps", "workloads"]) {
    const text = readFileSync(`${root}charts/fairlead/crds/fairlead.dev_${plural}.yaml`, "utf8");
    const [version] = parse(text).spec.versions;
    assert.ok(version.subresources.status);
    checkStructural(version.schema.openAPIV3Schema, plural, 0);
  }
  // What an API server drops would look changed by somebody to whoever applies the definition again.
  for (const plural of ["peers", "peerpolicies", "remoteapps", "workloads"]) {
    const text = readFileSync(`${root}charts/fairlead/crds/fairlead.dev_${plural}.yaml`, "utf8");
    assert.doesNotMatch(text, /x-kubernetes-(patch|unions|group)/);
  }
  // What is longer cannot be applied by kubectl, which keeps a copy in an annotation.
  for (const plural of ["remoteapps", "workloads"]) {
    const text = readFileSync(`${root}charts/fairlead/crds/fairlead.dev_${plural}.yaml`, "utf8");
    assert.ok(JSON.stringify(parse(text)).length < 200_000, plural);
  }
  for (const plural of ["deliveries"]) {
    assert.equal(existsSync(`${root}charts/fairlead/crds/fairlead.dev_${plural}.yaml`), false);
  }
});

/** Kubernetes prunes and defaults only where each node has a type, and lists say how they merge. */
function checkStructural(schema: JsonSchema, path: string, depth: number): void {
  assert.ok(schema.type || schema["x-kubernetes-int-or-string"], `${path} has no type`);
  if (schema.type === "array") assert.ok(schema["x-kubernetes-list-type"], `${path} does not say how it merges`);
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const isKnown = inner.description ?? inner.type ?? inner["x-kubernetes-int-or-string"];
    if (depth > 0 && !path.endsWith("[]")) assert.ok(isKnown, `${path}.${name}`);
    checkStructural(inner, `${path}.${name}`, depth + 1);
  }
  if (schema.items) checkStructural(schema.items, `${path}[]`, depth + 1);
  if (schema.additionalProperties) checkStructural(schema.additionalProperties, `${path}{}`, depth + 1);
}
