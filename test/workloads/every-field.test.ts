import assert from "node:assert/strict";
import { test } from "node:test";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { parseSpec } from "../../src/workloads/host/spec.ts";
import { applyApp, containerOf, deployments, phaseOf, startTown } from "./story.ts";

/** A value for each field of the spec, none of them a default. */
const spec = {
  peer: "osaka",
  image: "registry.example/web:2",
  replicas: 3,
  ports: [
    { name: "page", containerPort: 8080, appProtocol: "http" },
    { containerPort: 5353, appProtocol: "udp" },
  ],
  resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { cpu: 1, memory: "128Mi" } },
  command: ["/bin/web", "--verbose"],
  args: ["serve", "$(GREETING)"],
  env: [
    { name: "GREETING", value: "good day" },
    { name: "EMPTY", value: "" },
  ],
  imagePullPolicy: "Always",
  progressDeadlineSeconds: 90,
};

test("every field of a RemoteApp's spec arrives in the Deployment at the host", async (t) => {
  const known = RemoteAppSpecSchema.fields
    .map(({ jsonName }) => jsonName)
    .filter(isCarriedOut)
    .sort();
  assert.deepEqual(Object.keys(spec).sort(), known, "a new field needs its place here");
  const town = await startTown(t);
  applyApp(town, "web", spec);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const [deployment] = deployments(town);
  assert.equal(deployment?.spec?.replicas, 3);
  assert.equal(deployment?.spec?.progressDeadlineSeconds, 90);
  const { name, ...container } = containerOf(deployment ?? assert.fail("there is no Deployment")) ?? {};
  assert.equal(name, "app");
  assert.deepEqual(container, {
    image: "registry.example/web:2",
    imagePullPolicy: "Always",
    command: ["/bin/web", "--verbose"],
    args: ["serve", "$(GREETING)"],
    env: [
      { name: "GREETING", value: "good day" },
      { name: "EMPTY", value: "" },
    ],
    ports: [
      { name: "page", containerPort: 8080, protocol: "TCP" },
      { name: "udp-5353", containerPort: 5353, protocol: "UDP" },
    ],
    resources: { limits: { cpu: "1", memory: "128Mi" }, requests: { cpu: "100m", memory: "64Mi" } },
  });
});

/** What the origin keeps to itself, and what this host refuses to know, does not arrive. */
function isCarriedOut(field: string): boolean {
  if (field === "placement" || field === "revisionHistoryLimit") return false;
  const parsed = parseSpec(JSON.stringify({ image: "a", [field]: {} }));
  return parsed.ok || !parsed.refusal.violations.some(({ rule }) => rule === "unknown-field");
}

test("replicas: 0 stays 0 on the whole way, and is Ready", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web", { replicas: 0 });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assert.equal(deployments(town)[0]?.spec?.replicas, 0);
});
