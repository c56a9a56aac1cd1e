import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { EndpointSlice, Pod, Service } from "../../src/kube/resources.ts";
import { createServicePorts } from "../../src/kube/service-endpoints.ts";
import { isKeptOut } from "../../src/policy/kept-out.ts";
import { createFakeClock } from "../base/fake-clock.ts";

const never = new AbortController().signal;
const ref = { namespace: "data", name: "db" };

const service: Service = {
  metadata: ref,
  spec: {
    selector: { app: "db" },
    ports: [
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "postgres", port: 5432, targetPort: "pg", protocol: "TCP" },
      { name: "metrics", port: 9187 },
    ],
  },
};

function slice(addresses: string[], more: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    metadata: { ...ref, name: "db-1" },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [
      { name: "postgres", port: 15432, protocol: "TCP" },
      { name: "metrics", port: 19187, protocol: "TCP" },
    ],
    ...more,
  };
}

function set(o: { found?: Service | undefined; slices?: EndpointSlice[]; pods?: Pod[]; fails?: boolean }) {
  const { found = service, slices = [], pods } = o;
  const dialled: unknown[] = [];
  const asked: unknown[] = [];
  const clock = createFakeClock();
  const { findTcp: find, findUdp } = createServicePorts({
    clock,
    inCluster: pods === undefined,
    random: () => 0.99,
    isKeptOut: (address, port) => isKeptOut(address) || (address === "10.0.0.2" && port === 15432),
    client: {
      async get(kind, { namespace, name }) {
        asked.push(`get ${namespace}/${name}`);
        return "found" in o && !o.found ? undefined : kind.parse(JSON.parse(JSON.stringify(found)));
      },
      async list(kind, { namespace, labelSelector }) {
        asked.push(`list ${kind.plural} ${namespace} ${labelSelector}`);
        const items: object[] = kind.plural === "pods" ? (pods ?? []) : slices;
        return { items: items.map((each) => kind.parse(JSON.parse(JSON.stringify(each)))), resourceVersion: "1" };
      },
    } satisfies Pick<KubeClient, "get" | "list">,
    portForward: async (target, port) => {
      dialled.push([target.name, port]);
      return new PassThrough();
    },
    connectUdp: async (address, port) => {
      dialled.push(["udp", address, port]);
      return {
        send: () => true,
        listen: () => undefined,
        closed: new Promise(() => undefined),
        close: () => undefined,
      };
    },
    dialTcp: async (host, port) => {
      dialled.push([host, port]);
      if (o.fails) throw new KubeError({ status: 0, reason: "Unreachable", message: "gone" });
      return new PassThrough();
    },
  });
  return { find, findUdp, dialled, asked, clock };
}

const fails = (reason: string) => (error: unknown) => error instanceof KubeError && error.reason === reason;

test("a port by its number, its name or as the first of TCP is one of the ready endpoints, by its address", async () => {
  const ready = slice(["10.1.0.4", "10.1.0.5"]);
  const others = slice(["10.1.0.9"], {
    endpoints: [{ addresses: ["10.1.0.9"], conditions: { ready: false } }],
  });
  const { find, dialled, asked } = set({ slices: [ready, others, slice([], { addressType: "FQDN" })] });
  for (const [port, number] of [
    [5432, 5432],
    ["postgres", 5432],
    [undefined, 5432],
    [9187, 9187],
  ] as const) {
    const found = await find(ref, port, never);
    assert.equal(found.port, number);
    await found.dial(never);
  }
  assert.deepEqual(dialled, [
    ["10.1.0.5", 15432],
    ["10.1.0.5", 15432],
    ["10.1.0.5", 15432],
    ["10.1.0.5", 19187],
  ]);
  assert.deepEqual(asked, ["get data/db", "list endpointslices data kubernetes.io/service-name=db"], "asked once");
});

test("what was looked up is looked up anew after a moment, and at once when it answers no more", async () => {
  const { find, asked, clock } = set({ slices: [slice(["10.1.0.4"])], fails: true });
  const found = await find(ref, 5432, never);
  await find(ref, 5432, never);
  assert.equal(asked.length, 2);
  await assert.rejects(found.dial(never), fails("Unreachable"));
  await find(ref, 5432, never);
  assert.equal(asked.length, 4);
  await clock.advance(2_001);
  await find(ref, 5432, never);
  assert.equal(asked.length, 6);
});

test("a Service that is not there, has no such port, or only UDP there, is not found", async () => {
  await assert.rejects(set({ found: undefined }).find(ref, 5432, never), fails("NotFound"));
  const { find } = set({ slices: [slice(["10.1.0.4"])] });
  for (const port of [53, "dns", 80, "http"]) await assert.rejects(find(ref, port, never), fails("NotFound"));
});

test("an ExternalName Service leads nowhere, since it is a name that can lead anywhere", async () => {
  const external = { metadata: ref, spec: { type: "ExternalName", externalName: "metadata.google.internal" } };
  const ported = { ...external, spec: { ...external.spec, ports: [{ port: 80 }] } };
  for (const found of [external, ported]) {
    for (const inside of [true, false]) {
      const { find, dialled } = set({ found, slices: [slice(["10.1.0.4"])], ...(inside ? {} : { pods: [] }) });
      await assert.rejects(find(ref, 80, never), fails("NotFound"));
      assert.deepEqual(dialled, []);
    }
  }
});

test("endpoints at loopback, at node metadata and at the API server are passed over, whoever wrote them", async () => {
  const hostile = ["127.0.0.1", "169.254.169.254", "10.0.0.2", "0.0.0.0"];
  const six = slice(["::1", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254"], { addressType: "IPv6" });
  const names = slice(["localhost", "kubernetes.default.svc"]);
  const alone = set({ slices: [slice(hostile), six] });
  await assert.rejects((await alone.find(ref, 5432, never)).dial(never), fails("Forbidden"));
  assert.deepEqual(alone.dialled, []);

  const among = set({ slices: [slice([...hostile, "10.1.0.4"]), six, names] });
  await (await among.find(ref, 5432, never)).dial(never);
  assert.deepEqual(among.dialled, [["10.1.0.4", 15432]]);
  await assert.rejects((await set({ slices: [names] }).find(ref, 5432, never)).dial(never), fails("NoReadyPods"));
});

test("the same address at another port than the API server's is somebody else", async () => {
  const { find, dialled } = set({ slices: [slice(["10.0.0.2"])] });
  await (await find(ref, "metrics", never)).dial(never);
  assert.deepEqual(dialled, [["10.0.0.2", 19187]]);
});

test("nothing ready is said to be so", async () => {
  for (const slices of [[], [slice([])], [{ ...slice([]), endpoints: JSON.parse("null") }]]) {
    const found = await set({ slices }).find(ref, 5432, never);
    await assert.rejects(found.dial(never), fails("NoReadyPods"));
  }
});

test("beside the cluster it is a ready pod that the Service selects, in its own namespace", async () => {
  const pod: Pod = {
    metadata: { ...ref, name: "db-0" },
    spec: { containers: [{ name: "db", ports: [{ name: "pg", containerPort: 15432 }] }] },
    status: { conditions: [{ type: "Ready", status: "True" }] },
  };
  const { find, dialled, asked } = set({ pods: [pod] });
  await (await find(ref, "postgres", never)).dial(never);
  assert.deepEqual(dialled, [["db-0", 15432]]);
  assert.deepEqual(asked, ["get data/db", "list pods data app=db"]);
});

test("a port of UDP is found among those of UDP alone, and reached at an endpoint; beside the cluster it is said why not", async () => {
  const dns = (protocol: string) => ({ name: "dns", port: 5353, protocol });
  const { findUdp, dialled } = set({ slices: [slice(["10.1.0.4"], { ports: [dns("UDP")] })] });
  for (const port of [53, "dns", undefined]) {
    const found = await findUdp(ref, port, never);
    assert.equal(found.port, 53);
    await found.dial(never);
  }
  assert.deepEqual(dialled, Array(3).fill(["udp", "10.1.0.4", 5353]));
  for (const port of [5432, "postgres", 9187]) await assert.rejects(findUdp(ref, port, never), fails("NotFound"));
  const other = set({ slices: [slice(["10.1.0.4"], { ports: [dns("TCP")] })] });
  await assert.rejects((await other.findUdp(ref, 53, never)).dial(never), fails("NoReadyPods"));
  const hostile = set({ slices: [slice(["169.254.169.254"], { ports: [dns("UDP")] })] });
  await assert.rejects((await hostile.findUdp(ref, 53, never)).dial(never), fails("Forbidden"));
  const beside = set({ pods: [] });
  await assert.rejects((await beside.findUdp(ref, 53, never)).dial(never), fails("NoDatagrams"));
});
