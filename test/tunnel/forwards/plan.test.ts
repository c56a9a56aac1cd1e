import assert from "node:assert/strict";
import { test } from "node:test";
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
