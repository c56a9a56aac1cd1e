import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { Network, TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { readTarget, writeTarget } from "../../src/wire/target.ts";
import { type NamedTarget, parsePort, parseTarget, targetName, targetText } from "../../src/wire/target-text.ts";

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/);
const port = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.constantFrom("http", "p2p", "a-b"));
const maybePort = fc.option(port, { nil: undefined });

const network = fc.constantFrom({}, { network: "udp" as const });

const targets: fc.Arbitrary<NamedTarget> = fc.oneof(
  fc.tuple(label, label, maybePort, network).map(([namespace, name, port, spoken]) => {
    return { kind: "app" as const, namespace, name, ...(port !== undefined && { port }), ...spoken };
  }),
  fc.tuple(label, label, maybePort, network).map(([namespace, name, port, spoken]) => {
    return { kind: "service" as const, namespace, name, ...(port !== undefined && { port }), ...spoken };
  }),
  fc.constantFrom({ kind: "kubernetes" as const }, { kind: "metrics" as const }),
  label.map((name) => ({ kind: "node" as const, name: `${name}.example.org` })),
  fc
    .tuple(label, fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }), network)
    .map(([name, port, spoken]) => {
      return { kind: "address" as const, name, ...(port !== undefined && { port }), ...spoken };
    }),
  fc
    .tuple(fc.boolean(), label, fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }))
    .map(([isWild, name, port]) => {
      return { kind: "route" as const, host: `${isWild ? "*." : ""}${name}.org`, ...(port !== undefined && { port }) };
    }),
);

test("a target comes out of the wire, and out of its text, as it went in", () => {
  fc.assert(
    fc.property(targets, (target) => {
      assert.deepEqual(readTarget(writeTarget(target)), { ok: true, target });
      assert.deepEqual(parseTarget(targetText(target)), target);
    }),
  );
});

test("a uid goes over the wire and not into a name; the ports of an app are one target, those of a Service are not", () => {
  const app = { kind: "app", namespace: "shop", name: "web", uid: "u-1", port: "http" } as const;
  assert.deepEqual(readTarget(writeTarget(app)), { ok: true, target: app });
  assert.deepEqual([targetText(app), targetName(app)], ["app/shop/web:http", "app/shop/web"]);
  const service = { kind: "service", namespace: "shop", name: "db", port: 5432 } as const;
  assert.deepEqual([targetText(service), targetName(service)], ["service/shop/db:5432", "service/shop/db:5432"]);
  assert.deepEqual(parseTarget("svc/shop/db:5432"), service);
  assert.deepEqual(parseTarget("svc/shop/db:5432/tcp"), service);
});

const hostile = [
  "",
  "..",
  "../kube-system",
  "a/b",
  "db.kube-system",
  "db.kube-system.svc.cluster.local",
  "169.254.169.254",
  "127.0.0.1",
  "::1",
  "DB",
  "-db",
  "db-",
  "dатabase",
  "db\u0000",
  "db\n",
  "db%2f..",
  "db?x",
  "db ",
  "x".repeat(64),
];

test("what cannot be the name of a Service is none, on the wire and in text", () => {
  for (const name of hostile) {
    for (const value of [
      { namespace: "shop", name },
      { namespace: name, name: "db" },
    ]) {
      const read = readTarget(create(TargetSchema, { kind: { case: "service", value } }));
      assert.ok(!read.ok && read.reason === "malformed", JSON.stringify(value));
    }
    assert.equal(parseTarget(`service/shop/${name}`), undefined, name);
    assert.equal(parseTarget(`service/${name}/db:80`), undefined, name);
    const address = readTarget(create(TargetSchema, { kind: { case: "address", value: { name } } }));
    assert.ok(!address.ok && address.reason === "malformed", name);
    assert.equal(parseTarget(`address/${name}`), undefined, name);
  }
  for (const text of [
    "shop/web",
    "app/shop",
    "pod/shop/web",
    "app/shop/web:",
    "app/shop/web:0",
    "kubernetes/x",
    "address/db:x",
    "route/a.org:http",
    "route/127.0.0.1:80",
    "route/a/b",
    "route/",
    "metrics/x",
    "node/",
    "node/a/b",
    "node/a:10250",
    "node/../pods",
    "node/A",
    "app",
  ]) {
    assert.equal(parseTarget(text), undefined, text);
  }
});

test("a dial of something that is not known is not taken for another", () => {
  const given = (init: MessageInitShape<typeof TargetSchema>) => readTarget(create(TargetSchema, init));
  const refused = [
    given({}),
    given({ kind: { case: "relay", value: {} } }),
    given({ kind: { case: "kubernetes", value: {} }, network: Network.UDP }),
  ];
  for (const read of refused) assert.ok(!read.ok && read.reason === "unsupported");
  const port = { value: { case: "number" as const, value: 70_000 } };
  const odd = given({ kind: { case: "service", value: { namespace: "shop", name: "db", port } } });
  assert.ok(!odd.ok && odd.reason === "malformed");
});

test("text that names no port is none", () => {
  for (const text of ["", "0", "65536", "080", "Web", "a/b", "1:2", "-1"]) {
    assert.equal(parsePort(text), undefined, text);
  }
  assert.equal(parsePort("9090"), 9090);
});

test("a port of UDP is another target than one of TCP, also where a Service is called like a network", () => {
  const dns = { kind: "service", namespace: "kube-system", name: "kube-dns", port: 53, network: "udp" } as const;
  assert.equal(targetName(dns), "service/kube-system/kube-dns:53/udp");
  assert.deepEqual(parseTarget("service/shop/udp"), { kind: "service", namespace: "shop", name: "udp" });
  assert.deepEqual(parseTarget("address/udp/udp"), { kind: "address", name: "udp", network: "udp" });
  for (const text of [
    "service/shop/dns:53/sctp",
    "service/shop/dns:53/",
    "service/shop/dns:53/udp/udp",
    "metrics/udp",
  ]) {
    assert.equal(parseTarget(text), undefined, text);
  }
});
