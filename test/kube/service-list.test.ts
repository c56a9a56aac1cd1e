import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { EndpointSlice, Service } from "../../src/kube/resources.ts";
import { createListServices } from "../../src/kube/service-list.ts";
import { isKeptOut } from "../../src/policy/kept-out.ts";
import { createFakeClock } from "../base/fake-clock.ts";

const never = new AbortController().signal;
const port = (number: number, name = "main", more: object = {}) => ({ port: number, name, ...more });

function service(name: string, spec: NonNullable<Service["spec"]>): Service {
  return { metadata: { namespace: "data", name }, spec };
}

function slice(name: string, addresses: string[], ready = true): EndpointSlice {
  return {
    metadata: { namespace: "data", name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready } })),
    ports: [{ name: "main", port: 15432, protocol: "TCP" }],
  };
}

/** A cluster of pages of two. */
function set(services: Service[], slices: EndpointSlice[], inCluster = true) {
  const clock = createFakeClock();
  const asked: string[] = [];
  const state = { fails: false };
  const list = createListServices({
    clock,
    inCluster,
    isKeptOut: (address, number) => isKeptOut(address) || (address === "10.0.0.2" && number === 15432),
    client: {
      async list(kind, { namespace, continue: from = "0" }) {
        asked.push(`${kind.plural} ${namespace} ${from}`);
        if (state.fails) throw new KubeError({ status: 403, reason: "Forbidden", message: "no" });
        const items: object[] = kind.plural === "services" ? services : slices;
        const next = Number(from) + 2;
        return {
          items: items.slice(Number(from), next).map((each) => kind.parse(JSON.parse(JSON.stringify(each)))),
          resourceVersion: "1",
          ...(next < items.length && { continue: String(next) }),
        };
      },
    } satisfies Pick<KubeClient, "list">,
  });
  return { list: () => list("data", never), asked, clock, state };
}

test("all pages of a namespace are looked at: ports, what is spoken there, and whether anything is ready", async () => {
  const { list, asked } = set(
    [
      service("db", {
        ports: [port(5432, "main", { appProtocol: "postgresql" }), port(53, "dns", { protocol: "UDP" })],
      }),
      service("idle", { ports: [port(80)] }),
      service("away", { ports: [port(80)] }),
      service("outside", { type: "ExternalName", externalName: "example.org", ports: [port(80)] }),
    ],
    [
      {
        ...slice("db", ["10.0.0.9"]),
        ports: [
          { name: "main", port: 15432 },
          { name: "dns", port: 53, protocol: "UDP" },
        ],
      },
      slice("idle", []),
      slice("away", ["10.0.0.8"], false),
    ],
  );
  const { services, isCut } = await list();
  assert.equal(isCut, false);
  assert.deepEqual(services, [
    {
      name: "db",
      ports: [
        { number: 5432, name: "main", appProtocol: "postgresql", protocol: "TCP" },
        { number: 53, name: "dns", appProtocol: "", protocol: "UDP" },
      ],
      ready: true,
    },
    { name: "idle", ports: [{ number: 80, name: "main", appProtocol: "", protocol: "TCP" }], ready: false },
    { name: "away", ports: [{ number: 80, name: "main", appProtocol: "", protocol: "TCP" }], ready: false },
  ]);
  assert.deepEqual(asked.toSorted(), [
    "endpointslices data 0",
    "endpointslices data 2",
    "services data 0",
    "services data 2",
  ]);
});

test("a port that leads only to where nobody is let is not there, unless it is not by its endpoints that it is reached", async () => {
  const services = ["loop", "api", "both"].map((name) => service(name, { ports: [port(443)] }));
  const slices = [slice("loop", ["127.0.0.1"]), slice("api", ["10.0.0.2"]), slice("both", ["169.254.1.1", "10.0.0.3"])];
  const inside = await set(services, slices).list();
  assert.deepEqual(
    inside.services.map(({ name, ports, ready }) => [name, ports.length, ready]),
    [
      ["loop", 0, false],
      ["api", 0, false],
      ["both", 1, true],
    ],
  );
  const beside = await set(services, slices, false).list();
  assert.deepEqual(
    beside.services.map(({ ports, ready }) => [ports.length, ready]),
    [
      [1, true],
      [1, true],
      [1, true],
    ],
  );
});

test("many who ask within five seconds are one question, and what failed is asked again", async () => {
  const { list, asked, clock, state } = set([service("db", { ports: [port(1)] })], []);
  await Promise.all([list(), list(), list()]);
  assert.equal(asked.length, 2);
  await clock.advance(5_000);
  state.fails = true;
  const outcomes = await Promise.allSettled([list(), list()]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(asked.length, 4);
  state.fails = false;
  assert.equal((await list()).services.length, 1);
});
