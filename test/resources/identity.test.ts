import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromBinary, fromJson, isFieldSet, toBinary, toJson } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { parse, parseAllDocuments } from "yaml";
import {
  RemoteAppSchema,
  RemoteAppSpecSchema,
  RemoteAppStatusSchema,
} from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { WorkloadStatusSchema } from "../../src/gen/fairlead/resources/v1alpha1/workload_pb.ts";
import { parseQuantity } from "../../src/policy/quantity.ts";

const validator = createValidator();

const corpus = parseAllDocuments(readFileSync(new URL("corpus.yaml", import.meta.url), "utf8")).map((document) =>
  document.toJS(),
);

test("YAML to message to JSON is the identity, also over the wire, for a corpus of real Pods' containers", () => {
  assert.ok(corpus.length >= 7);
  for (const spec of corpus) {
    const message = fromJson(RemoteAppSpecSchema, spec);
    assert.deepEqual(toJson(RemoteAppSpecSchema, message), spec);
    const sent = fromBinary(RemoteAppSpecSchema, toBinary(RemoteAppSpecSchema, message));
    assert.deepEqual(toJson(RemoteAppSpecSchema, sent), spec);
  }
});

test("the corpus passes the rules that are declared", () => {
  for (const spec of corpus) {
    const result = validator.validate(RemoteAppSchema, fromJson(RemoteAppSchema, { spec }));
    assert.equal(result.kind, "valid", `${spec.image}: ${result.error?.message}`);
  }
});

test("`replicas: 0` stays 0, and left out stays left out", () => {
  const none = fromJson(RemoteAppSpecSchema, { replicas: 0 });
  assert.equal(none.replicas, 0);
  assert.equal(isFieldSet(none, RemoteAppSpecSchema.field.replicas), true);
  assert.deepEqual(toJson(RemoteAppSpecSchema, none), { replicas: 0 });
  assert.deepEqual(toJson(RemoteAppSpecSchema, fromJson(RemoteAppSpecSchema, {})), {});
});

test('`cpu: 1` and `cpu: "1"` are equal, and each is given back as it was written', () => {
  const { limits, requests } = parse('limits: {cpu: 1}\nrequests: {cpu: "1"}');
  const message = fromJson(RemoteAppSpecSchema, { resources: { limits, requests } });
  const json = toJson(RemoteAppSpecSchema, message);
  assert.deepEqual(json, { resources: { limits: { cpu: 1 }, requests: { cpu: "1" } } });
  assert.equal(parseQuantity(limits.cpu), parseQuantity(requests.cpu));
  assert.equal(parseQuantity(limits.cpu), 1_000_000_000n);
});

test("what a RemoteApp must say is checked in the message as in the cluster: who runs it, and which image", () => {
  const validate = (spec: object) =>
    validator.validate(RemoteAppSchema, fromJson(RemoteAppSchema, { spec: { ...spec } })).error?.message ?? "";
  assert.equal(validate({ peer: "b", image: "x" }), "");
  assert.match(validate({ image: "x" }), /name the peer/);
  assert.match(validate({ peer: "b" }), /image/);
  assert.match(validate({ peer: "B!", image: "x" }), /peer/);
  assert.match(validate({ peer: "b", image: "x", replicas: -1 }), /replicas/);
  assert.match(
    validate({ peer: "b", image: "x", ports: [{ containerPort: 80, appProtocol: "gopher" }] }),
    /appProtocol|app_protocol/,
  );
});

test("a misspelt field is refused by name", () => {
  assert.throws(() => fromJson(RemoteAppSpecSchema, { replicsa: 1 }), /replicsa/);
});

test("the fields that the statuses of a RemoteApp and a Workload share have one number and one type", () => {
  const theirs = new Map(WorkloadStatusSchema.fields.map((field) => [field.name, field]));
  const shared = RemoteAppStatusSchema.fields.filter(({ name }) => theirs.has(name));
  assert.ok(shared.length > 8);
  for (const field of shared) {
    const other = theirs.get(field.name);
    assert.equal(other?.number, field.number, field.name);
    assert.equal(other?.toString().split(".").pop(), field.toString().split(".").pop());
  }
});
