import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { Pod, Service } from "../../src/kube/resources.ts";
import { createDialService, findPort, resolveTargetPort } from "../../src/kube/services.ts";

const never = new AbortController().signal;
const ref = { namespace: "default", name: "web" };

function pod(name: string, ready: boolean, leaving = false): Pod {
  return {
    metadata: { ...ref, name, ...(leaving ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}) },
    spec: { containers: [{ name: "app", ports: [{ name: "http", containerPort: 8080 }] }] },
    status: { conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

const service: Service = {
  metadata: ref,
  spec: {
    selector: { app: "web" },
    ports: [
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "web", port: 80, targetPort: "http", protocol: "TCP" },
      { name: "plain", port: 81 },
    ],
  },
};

function set(pods: Pod[], found: Service | undefined = service) {
  const forwarded: unknown[] = [];
  const selectors: unknown[] = [];
  const dial = createDialService({
    inCluster: false,
    random: () => 0.99,
    // It knows one Service and its pods, whatever the kind that is asked for.
    client: {
      get: async (kind) => (found ? kind.parse(JSON.parse(JSON.stringify(found))) : undefined),
      list: async (kind, options) => {
        selectors.push(options.labelSelector);
        return { items: pods.map((each) => kind.parse(JSON.parse(JSON.stringify(each)))), resourceVersion: "1" };
      },
    } satisfies Pick<KubeClient, "get" | "list">,
    portForward: async (target, port) => {
      forwarded.push([target.name, port]);
      return new PassThrough();
    },
  });
  return { dial, forwarded, selectors };
}

test("outside of the cluster a Service is one of the ready pods behind it, at the port that the Service means there", async () => {
  const { dial, forwarded, selectors } = set([pod("a", true), pod("b", true), pod("c", false), pod("d", true, true)]);
  await dial(ref, 80, never);
  await dial(ref, "web", never);
  await dial(ref, 81, never);
  assert.deepEqual(forwarded, [
    ["b", 8080],
    ["b", 8080],
    ["b", 81],
  ]);
  assert.deepEqual(selectors[0], "app=web");
});

test("why a Service cannot be reached is said: no such Service, no such port, no ready pod", async () => {
  const reasonOf = (reason: string, text: RegExp) => (error: unknown) =>
    error instanceof KubeError && error.reason === reason && text.test(error.message);
  await assert.rejects(set([pod("a", false)]).dial(ref, 80, never), reasonOf("NoReadyPods", /none of the 1 pods/));
  await assert.rejects(set([pod("a", true)]).dial(ref, 53, never), reasonOf("NotFound", /no TCP port 53/));
  const nothing = createDialService({
    inCluster: false,
    client: { get: async () => undefined, list: () => assert.fail("it asked for pods") },
    portForward: () => assert.fail("it dialled"),
  });
  await assert.rejects(nothing(ref, 80, never), reasonOf("NotFound", /no Service default\/web/));
});

test("ports are found by number and by name, and never UDP for TCP", () => {
  assert.equal(findPort(service, "web")?.port, 80);
  assert.equal(findPort(service, 81)?.name, "plain");
  assert.equal(findPort(service, "dns"), undefined);
  assert.equal(resolveTargetPort(pod("a", true), "http"), 8080);
  assert.equal(resolveTargetPort(pod("a", true), 9), 9);
  assert.equal(resolveTargetPort(pod("a", true), "none"), undefined);
});
