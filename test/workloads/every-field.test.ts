import assert from "node:assert/strict";
import { test } from "node:test";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { configMaps, secrets } from "../../src/kube/resources.ts";
import { parseSpec } from "../../src/workloads/host/spec.ts";
import { applyApp, containerOf, deployments, held, never, phaseOf, setPolicy, startTown, statusOf } from "./story.ts";

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
    { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } },
  ],
  imagePullPolicy: "Always",
  imagePull: "FromHost",
  progressDeadlineSeconds: 90,
  kind: "Deployment",
  workingDir: "/srv",
  startupProbe: { tcpSocket: { port: "page" }, failureThreshold: 30 },
  readinessProbe: { httpGet: { path: "/ready", port: 8080 }, periodSeconds: 2 },
  livenessProbe: { exec: { command: ["/bin/alive"] } },
  lifecycle: { preStop: { sleep: { seconds: 3 } } },
  securityContext: { readOnlyRootFilesystem: true },
  volumeMounts: [{ name: "scratch", mountPath: "/tmp" }],
  containers: [{ name: "proxy", image: "proxy:1", volumeMounts: [{ name: "scratch", mountPath: "/scratch" }] }],
  initContainers: [
    { name: "prepare", image: "tools:1", args: ["prepare"] },
    { name: "log", image: "log:1", restartPolicy: "Always" },
  ],
  volumes: [
    { name: "scratch", emptyDir: { sizeLimit: "1Gi" } },
    { name: "keys", secret: { secretName: "db", items: [{ key: "password", path: "db/password" }] } },
    { name: "data", persistentVolumeClaim: { claimName: "data" } },
  ],
  claims: [
    {
      name: "data",
      spec: {
        accessModes: ["ReadWriteMany"],
        storageClassName: "standard",
        resources: { requests: { storage: "1Gi" } },
      },
    },
  ],
  strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0 } },
  minReadySeconds: 5,
  paused: false,
  restartedAt: "2026-11-21T12:00:00Z",
  podSecurityContext: { fsGroup: 2000 },
  terminationGracePeriodSeconds: 7,
  podLabels: { tier: "front" },
  podAnnotations: { "example.com/note": "what it says" },
  nodeSelector: { disk: "ssd" },
  tolerations: [{ key: "lent", operator: "Exists" }],
  affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
  configMaps: [{ name: "site" }, { name: "inline", data: { motto: "here" } }],
  secrets: [{ name: "db" }],
  imagePullSecrets: [{ name: "db" }],
  envFrom: [{ configMapRef: { name: "site" } }, { prefix: "IN_", configMapRef: { name: "inline", optional: false } }],
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "ScheduleAnyway" }],
};

/** What means something for what runs to an end only. */
const job = {
  kind: "Job",
  restartPolicy: "OnFailure",
  job: {
    activeDeadlineSeconds: 60,
    backoffLimit: 2,
    backoffLimitPerIndex: 1,
    completionMode: "Indexed",
    completions: 3,
    maxFailedIndexes: 2,
    parallelism: 2,
    podReplacementPolicy: "Failed",
    suspend: true,
    ttlSecondsAfterFinished: 9,
  },
};
const cronJob = {
  ...job,
  kind: "CronJob",
  cronJob: {
    schedule: "0 3 * * *",
    timeZone: "Europe/Berlin",
    concurrencyPolicy: "Forbid",
    startingDeadlineSeconds: 30,
    suspend: true,
    successfulJobsHistoryLimit: 1,
    failedJobsHistoryLimit: 2,
  },
};

/** What means something for a StatefulSet only, and what more there is to be said of one. */
const stateful = {
  kind: "StatefulSet",
  replicas: 2,
  claims: [{ name: "data", spec: { storageClassName: "standard", resources: { requests: { storage: "1Gi" } } } }],
  volumeMounts: [{ name: "data", mountPath: "/data" }],
  updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
  podManagementPolicy: "Parallel",
  minReadySeconds: 4,
};

test("every field of a RemoteApp's spec arrives in the Deployment at the host", async (t) => {
  const known = RemoteAppSpecSchema.fields
    .map(({ jsonName }) => jsonName)
    .filter(isCarriedOut)
    .sort();
  const all = [...new Set([...Object.keys(spec), ...Object.keys(stateful), ...Object.keys(cronJob)])];
  assert.deepEqual(all.sort(), known, "a new field needs its place here");
  const town = await startTown(t);
  setPolicy(town, {
    pod: { annotations: ["example.com/*"] },
    storage: { classes: ["standard"] },
    scheduling: { nodeLabels: ["disk"], tolerations: ["lent"], topologyKeys: ["zone"] },
  });
  const labels = { "fairlead.dev/shared": "true" };
  const { cluster } = town.agent("tokyo");
  const db = { metadata: { namespace: "shop", name: "db", labels }, data: { password: "b3BlbiBzZXNhbWU=" } };
  await cluster.create(secrets, secrets.parse(db), never);
  const site = { metadata: { namespace: "shop", name: "site", labels }, data: { greeting: "hello" } };
  await cluster.create(configMaps, configMaps.parse(site), never);
  applyApp(town, "web", spec);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const [deployment] = deployments(town);
  assert.equal(deployment?.spec?.replicas, 3);
  assert.equal(deployment?.spec?.progressDeadlineSeconds, 90);
  assert.equal(deployment?.spec?.minReadySeconds, 5);
  assert.equal(deployment?.spec?.paused, false);
  assert.deepEqual(deployment?.spec?.strategy, {
    type: "RollingUpdate",
    rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 },
  });
  const brought = (plural: string, name: string): string => {
    const all = town.agent("osaka").cluster.all(plural);
    const found = all.find(({ metadata }) => metadata.annotations?.["fairlead.dev/content-of"] === name);
    return found?.metadata.name ?? assert.fail(`${name} was not brought`);
  };
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
      { name: "PASSWORD", valueFrom: { secretKeyRef: { name: brought("secrets", "db"), key: "password" } } },
    ],
    envFrom: [
      { configMapRef: { name: brought("configmaps", "site") } },
      { prefix: "IN_", configMapRef: { name: brought("configmaps", "inline"), optional: false } },
    ],
    ports: [
      { name: "page", containerPort: 8080, protocol: "TCP" },
      { name: "udp-5353", containerPort: 5353, protocol: "UDP" },
    ],
    resources: { limits: { cpu: "1", memory: "128Mi" }, requests: { cpu: "100m", memory: "64Mi" } },
    workingDir: "/srv",
    startupProbe: spec.startupProbe,
    readinessProbe: spec.readinessProbe,
    livenessProbe: spec.livenessProbe,
    lifecycle: spec.lifecycle,
    securityContext: spec.securityContext,
    volumeMounts: spec.volumeMounts,
  });
  const { metadata, spec: pod } = templateOf(deployment);
  const workload = String(held(town)[0]?.metadata.name);
  assert.deepEqual(metadata.labels, {
    tier: "front",
    "app.kubernetes.io/managed-by": "fairlead",
    "fairlead.dev/peer": "tokyo",
    "fairlead.dev/workload": workload,
  });
  const { "fairlead.dev/template": _hash, ...annotations } = metadata.annotations;
  assert.deepEqual(annotations, {
    "example.com/note": "what it says",
    "fairlead.dev/restarted-at": "2026-11-21T12:00:00Z",
  });
  const { containers, ...rest } = pod;
  const [claim] = town.agent("osaka").cluster.all("persistentvolumeclaims");
  assert.deepEqual(containers.slice(1), spec.containers);
  const labelSelector = { matchLabels: { "fairlead.dev/workload": workload } };
  assert.deepEqual(rest, {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    nodeSelector: spec.nodeSelector,
    securityContext: { seccompProfile: { type: "RuntimeDefault" }, fsGroup: 2000 },
    initContainers: spec.initContainers,
    terminationGracePeriodSeconds: 7,
    affinity: spec.affinity,
    tolerations: spec.tolerations,
    topologySpreadConstraints: [{ ...spec.topologySpreadConstraints[0], labelSelector }],
    imagePullSecrets: [{ name: brought("secrets", "db") }],
    volumes: [
      spec.volumes[0],
      { name: "keys", secret: { ...spec.volumes[1]?.secret, secretName: brought("secrets", "db") } },
      { name: "data", persistentVolumeClaim: { claimName: claim?.metadata.name } },
    ],
  });
  assert.deepEqual(claim?.spec, spec.claims[0]?.spec);
});

test("every field of a StatefulSet arrives in the one at the host", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { storage: { classes: ["standard"] } });
  applyApp(town, "db", stateful);
  await town.until("Ready", () => phaseOf(town, "db") === "Ready");
  const [set] = town.agent("osaka").cluster.all("statefulsets");
  const { updateStrategy, podManagementPolicy, minReadySeconds, replicas, volumeClaimTemplates } = set?.spec ?? {};
  assert.deepEqual(
    { updateStrategy, podManagementPolicy, minReadySeconds, replicas },
    {
      updateStrategy: stateful.updateStrategy,
      podManagementPolicy: "Parallel",
      minReadySeconds: 4,
      replicas: 2,
    },
  );
  assert.match(JSON.stringify(volumeClaimTemplates), /"name":"data".*"storage":"1Gi"/);
  assert.deepEqual(templateOf(set).spec.containers[0]?.volumeMounts, stateful.volumeMounts);
});

test("every field of a Job and of a CronJob arrives in the one at the host", async (t) => {
  const town = await startTown(t);
  const { cluster } = town.agent("osaka");
  applyApp(town, "once", job);
  applyApp(town, "nightly", cronJob);
  await town.until("made", () => cluster.all("jobs").length === 1 && cluster.all("cronjobs").length === 1);
  const { template, ...once } = cluster.all("jobs")[0]?.spec ?? {};
  // The agent ends it itself, so that its end is remembered before.
  const { ttlSecondsAfterFinished: _, ...said } = job.job;
  assert.deepEqual(once, said);
  assert.match(JSON.stringify(template), /"restartPolicy":"OnFailure"/);
  const nightly: JsonObject = cluster.all("cronjobs")[0]?.spec ?? {};
  const { jobTemplate, ...rest } = nightly;
  assert.deepEqual(rest, cronJob.cronJob);
  const { template: ofJobs, ...jobSpec } = JSON.parse(JSON.stringify(jobTemplate)).spec;
  assert.deepEqual(jobSpec, job.job);
  assert.match(JSON.stringify(ofJobs), /"restartPolicy":"OnFailure"/);
});

/** The pod template of a Deployment, as it was sent. */
function templateOf(deployment: unknown): {
  metadata: { labels: JsonObject; annotations: JsonObject };
  spec: JsonObject & { containers: JsonObject[] };
} {
  return JSON.parse(JSON.stringify(deployment)).spec.template;
}

/** What the origin keeps to itself, and what this host refuses to know, does not arrive. */
function isCarriedOut(field: string): boolean {
  if (["placement", "revisionHistoryLimit", "door"].includes(field)) return false;
  const parsed = parseSpec(JSON.stringify({ image: "a", [field]: {} }));
  return parsed.ok || !parsed.refusal.violations.some(({ rule }) => rule === "unknown-field");
}

test("what an app says of its door stays at the origin, and a change of it changes nothing at the host", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web", { door: { access: "Token" } });
  await town.until("made", () => deployments(town).length === 1);
  const workloads = () =>
    JSON.stringify(
      town
        .agent("osaka")
        .cluster.all("workloads")
        .map(({ spec }) => spec?.app),
    );
  const before = workloads();
  applyApp(town, "web", { door: { access: "Basic", basicAuthSecret: "people", tls: { caConfigMap: "ca" } } });
  await town.until("heard of", () => statusOf(town, "web").observedGeneration === 2);
  assert.equal(workloads(), before);
  assert.ok(!before.includes("door") && !before.includes("Token"));
});

test("replicas: 0 stays 0 on the whole way, and is Ready", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web", { replicas: 0 });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assert.equal(deployments(town)[0]?.spec?.replicas, 0);
});
