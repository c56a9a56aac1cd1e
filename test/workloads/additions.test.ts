import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import { additions } from "../../src/workloads/host/additions.ts";

const container = {
  name: "app",
  image: "web:1",
  env: [{ name: "A", value: "b" }],
  volumeMounts: [
    { name: "data", mountPath: "/a" },
    { name: "data", mountPath: "/b" },
  ],
  ports: [{ name: "dns", containerPort: 53, protocol: "UDP" }, { containerPort: 80 }],
  readinessProbe: { httpGet: { port: 80 } },
  args: ["serve"],
};
const withPod = (spec: JsonObject): object => ({ spec: { template: { spec } } });
const withContainer = (change: JsonObject): object => withPod({ containers: [{ ...container, ...change }] });
const manifest = withPod({ containers: [container] });

test("what somebody added inside a container is found, wherever it stands in a list", () => {
  const env = [
    { name: "LD_PRELOAD", value: "/evil.so" },
    { name: "A", value: "b" },
  ];
  assert.deepEqual(additions(manifest, withContainer({ env })), ["containers[app].env[LD_PRELOAD]"]);
  const volumeMounts = [...container.volumeMounts, { name: "data", mountPath: "/etc" }];
  assert.deepEqual(additions(manifest, withContainer({ volumeMounts })), ["containers[app].volumeMounts[/etc]"]);
  const ports = [{ containerPort: 53, protocol: "TCP" }, ...container.ports];
  assert.deepEqual(additions(manifest, withContainer({ ports })), ["containers[app].ports[53/TCP]"]);
  const rights = { securityContext: { privileged: true }, command: ["sh"], stdin: true };
  assert.deepEqual(additions(manifest, withContainer(rights)), [
    "containers[app].securityContext",
    "containers[app].command",
    "containers[app].stdin",
  ]);
  const readinessProbe = { ...container.readinessProbe, initialDelaySeconds: 9 };
  assert.deepEqual(additions(manifest, withContainer({ readinessProbe })), [
    "containers[app].readinessProbe.initialDelaySeconds",
  ]);
});

test("what an API server fills in by itself is nobody's addition, and another value of it is", () => {
  const probe = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };
  const filled = {
    ...container,
    resources: {},
    imagePullPolicy: "IfNotPresent",
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    readinessProbe: { httpGet: { port: 80, scheme: "HTTP" }, ...probe },
    ports: container.ports.map((port) => ({ protocol: "TCP", ...port })),
  };
  const pod = {
    containers: [filled],
    restartPolicy: "Always",
    dnsPolicy: "ClusterFirst",
    schedulerName: "default-scheduler",
    securityContext: {},
    terminationGracePeriodSeconds: 30,
  };
  assert.deepEqual(additions(manifest, withPod(pod)), []);
  const other = { ...pod, schedulerName: "own", dnsPolicy: "None", dnsConfig: { nameservers: ["192.0.2.1"] } };
  assert.deepEqual(additions(manifest, withPod(other)), ["dnsPolicy", "schedulerName", "dnsConfig"]);
});
