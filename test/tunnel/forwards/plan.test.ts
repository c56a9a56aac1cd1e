import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { parse } from "yaml";
import type { JsonObject } from "../../../src/kube/object.ts";
import { forwards } from "../../../src/kube/resources.ts";
import { type ForwardPlan, planForward, targetAt } from "../../../src/tunnel/forwards/plan.ts";
import { targetText } from "../../../src/wire/target-text.ts";

const whole = { peer: "berlin", target: "service/data/db", ports: [{ name: "main", port: 5432 }] };

function planOf(spec: JsonObject, name = "db"): ForwardPlan | string {
  const metadata = { namespace: "shop", name, uid: "u-1" };
  const planned = planForward(forwards.parse({ metadata, spec: { ...whole, ...spec } }));
  return planned.ok ? planned.plan : planned.message;
}

function textsOf(spec: JsonObject): string[] | string {
  const plan = planOf(spec);
  return typeof plan === "string" ? plan : plan.ports.map((port) => targetText(targetAt(plan.target, port)));
}

test("each port leads to the target's port of that number, or to the one that is named", () => {
  const ports = [
    { name: "main", port: 5432 },
    { name: "other", port: 80, targetPort: 8080 },
    { name: "named", port: 81, targetPort: "http" },
  ];
  const at = ["5432", "8080", "http"];
  assert.deepEqual(
    textsOf({ ports }),
    at.map((port) => `service/data/db:${port}`),
  );
  assert.deepEqual(
    textsOf({ ports, target: "svc/data/db" }),
    at.map((port) => `service/data/db:${port}`),
  );
  assert.deepEqual(
    textsOf({ ports, target: "app/web" }),
    at.map((port) => `app/shop/web:${port}`),
  );
  assert.deepEqual(
    textsOf({ ports, target: "app/shop/web" }),
    at.map((port) => `app/shop/web:${port}`),
  );
  assert.deepEqual(textsOf({ target: "address/erp" }), ["address/erp:5432"]);
  assert.deepEqual(textsOf({ target: "metrics" }), ["metrics"]);
  assert.deepEqual(textsOf({ target: "node/worker-1.example.org" }), ["node/worker-1.example.org"]);
});

test("a route leads to the port that it says, unless another one of its Service is meant", () => {
  const ports = [
    { name: "web", port: 80 },
    { name: "admin", port: 81, targetPort: 9000 },
  ];
  assert.deepEqual(textsOf({ target: "route/shop.example.org", ports }), [
    "route/shop.example.org",
    "route/shop.example.org:9000",
  ]);
  const named = { target: "route/shop.example.org", ports: [{ name: "a", port: 1, targetPort: "http" }] };
  assert.match(String(planOf(named)), /targetPort of a has to be a number/);
  assert.match(String(planOf({ target: "route/shop.example.org:80" })), /names nothing that a Forward leads to/);
  assert.match(String(planOf({ target: "route/10.0.0.1" })), /names nothing that a Forward leads to/);
});

test("a number may be of a port of TCP and of one of UDP, and each leads to its own over there", () => {
  const both = [
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "dns-tcp", port: 53 },
    { name: "named", port: 54, targetPort: "dns", protocol: "UDP" },
  ];
  for (const [target, texts] of [
    ["service/kube-system/kube-dns", [":53/udp", ":53", ":dns/udp"]],
    ["app/game", [":53/udp", ":53", ":dns/udp"]],
  ] as const) {
    const plan = planOf({ target, ports: both });
    assert.ok(typeof plan !== "string", String(plan));
    const written = target.replace("app/", "app/shop/");
    assert.deepEqual(
      plan.ports.map((port) => targetText(targetAt(plan.target, port))),
      texts.map((text) => `${written}${text}`),
    );
  }
});

test("every kind of target that a Forward can have is let into the cluster by its definition, and what is none is not", async () => {
  const crd = parse(await readFile("charts/fairlead/crds/fairlead.dev_forwards.yaml", "utf8"));
  const { spec } = crd.spec.versions[0].schema.openAPIV3Schema.properties;
  const pattern = new RegExp(spec.properties.target.pattern);
  const targets = ["app/web", "app/shop/web", "service/data/db", "svc/data/db", "address/erp", "route/a.example.org"];
  for (const target of [...targets, "node/worker-1", "metrics"]) {
    assert.ok(typeof planOf({ target }) !== "string", target);
    assert.match(target, pattern);
  }
  for (const target of [
    "kubernetes",
    "reverse/u:p",
    "service/data/db:5432",
    "route/*.example.org",
    "10.0.0.1",
    "x/y",
  ]) {
    assert.doesNotMatch(target, pattern);
  }
});

test("what cannot be is said in words that tell what to change", () => {
  const two = (one: JsonObject, other: JsonObject) => ({ ports: [one, other] });
  for (const [spec, problem] of [
    [{ target: "kubernetes" }, /names nothing that a Forward leads to/],
    [{ target: "service/db" }, /names nothing that a Forward leads to/],
    [{ target: "service/data/db:5432" }, /names nothing that a Forward leads to/],
    [{ target: "10.0.0.1" }, /names nothing that a Forward leads to/],
    [{ target: "app/other/web" }, /in another namespace/],
    [{ ports: [] }, /there are none/],
    [{ ports: [{ name: "a", port: 0 }] }, /has no port from 1 to 65535/],
    [{ ports: [{ name: "a", port: 1, targetPort: 70_000 }] }, /targetPort of a is neither/],
    [{ ports: [{ name: "a", port: 1, targetPort: true }] }, /targetPort of a is neither/],
    [two({ name: "a", port: 1 }, { name: "a", port: 2 }), /two of the name a/],
    [two({ name: "a", port: 1 }, { name: "b", port: 1 }), /two of the number 1/],
    [{ target: "metrics", ports: [{ name: "a", port: 1, targetPort: 1 }] }, /metrics has no ports/],
    [two({ name: "a", port: 1, protocol: "UDP" }, { name: "b", port: 1, protocol: "UDP" }), /number 1 and UDP/],
    [{ ports: [{ name: "a", port: 1, protocol: "SCTP" }] }, /protocol/],
    [{ target: "metrics", ports: [{ name: "a", port: 1, protocol: "UDP" }] }, /metrics has no port of UDP/],
    [{ target: "node/a", ports: [{ name: "a", port: 1, protocol: "UDP" }] }, /node has no port of UDP/],
    [{ target: "route/a.org", ports: [{ name: "a", port: 1, protocol: "UDP" }] }, /route has no port of UDP/],
    [{ proxyProtocol: "V2", ports: [{ name: "a", port: 1, protocol: "UDP" }] }, /a is of UDP, and proxyProtocol/],
    [
      { direction: "Reverse", target: "service/db", ports: [{ name: "a", port: 1, protocol: "UDP" }] },
      /a is of UDP; in reverse/,
    ],
    [{ target: "address/erp/udp" }, /names nothing that a Forward leads to/],
    [{ target: "node/a", ports: [{ name: "a", port: 1, targetPort: 10250 }] }, /node has no ports/],
    [{ target: "address/erp", ports: [{ name: "a", port: 1, targetPort: "sql" }] }, /has to be a number/],
    [{ idle: "0s" }, /no length of time above 0/],
    [{ limits: { bytesPerSecond: "-5M" } }, /no amount above 0/],
    [{ surprise: 1 }, /surprise: unknown field/],
  ] as const) {
    const message = planOf(spec as JsonObject);
    assert.ok(
      typeof message === "string" && problem.test(message),
      `${JSON.stringify(spec)}: ${JSON.stringify(message)}`,
    );
  }
  assert.match(String(planOf({}, "1db")), /can be no Service's name/);
});

test("limits are in bytes and milliseconds, with 4,096 connections unless said", () => {
  const plain = planOf({});
  const bound = planOf({
    idle: "1h30m",
    proxyProtocol: "V2",
    limits: { connections: 5, connectionsPerSecond: 2, bytesPerSecond: "1.5Mi" },
  });
  assert.ok(typeof plain !== "string" && typeof bound !== "string");
  assert.equal(plain.use.connections, 4_096);
  assert.equal(plain.use.idleMs, undefined);
  assert.deepEqual(bound.use, {
    connections: 5,
    connectionsPerSecond: 2,
    bytesPerSecond: 1.5 * 2 ** 20,
    idleMs: 5_400_000,
    proxyProtocol: true,
  });
});
