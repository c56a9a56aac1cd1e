/**
 * What the agent makes of an app in which every field is said, sent to a real API server to be tried and not to be stored: a field that
 * it would refuse, or drop, is found here and not at somebody's host.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { connectKube, type KubeConnection } from "../../src/kube/connect.ts";
import type { Draft, JsonObject, ObjectMeta } from "../../src/kube/object.ts";
import type { ResourceKind } from "../../src/kube/resource-kind.ts";
import {
  cronJobs,
  type Deployment,
  deployments,
  jobs,
  namespaces,
  networkPolicies,
  persistentVolumeClaims,
  services,
  statefulSets,
  type Workload,
} from "../../src/kube/resources.ts";
import { additions } from "../../src/workloads/host/additions.ts";
import { claimSteps } from "../../src/workloads/host/claims.ts";
import { lostOf, tryOut } from "../../src/workloads/host/dropped-fields.ts";
import { cronJobFor, jobFor } from "../../src/workloads/host/job.ts";
import { deploymentFor, networkPolicyOf, serviceFor } from "../../src/workloads/host/manifests.ts";
import type { Plan } from "../../src/workloads/host/plan.ts";
import { parseSpec } from "../../src/workloads/host/spec.ts";
import { headlessServiceFor, statefulSetFor } from "../../src/workloads/host/stateful-set.ts";
import { workload } from "../workloads/objects.ts";

const kubeconfig = process.env.KUBECONFIG_A;
if (!kubeconfig) throw new Error("KUBECONFIG_A must name the kubeconfig of a cluster to test against");

const namespace = `kinds-${randomBytes(4).toString("hex")}`;
const limit = (): AbortSignal => AbortSignal.timeout(30_000);
let kube: KubeConnection;

before(async () => {
  kube = await connectKube({ kubeconfig, clock: systemClock });
  await kube.client.create(namespaces, { metadata: { name: namespace } }, limit());
});
after(async () => {
  await kube.client.delete(namespaces, { name: namespace }, {}, limit());
  await kube.close();
});

const reference = { name: "conf", key: "key" };
/** A probe in each of its ways. */
const probe = (way: JsonObject): JsonObject => ({
  ...way,
  initialDelaySeconds: 1,
  periodSeconds: 2,
  timeoutSeconds: 1,
  successThreshold: 1,
  failureThreshold: 3,
});
const httpGet = { port: "page", path: "/", scheme: "HTTPS", httpHeaders: [{ name: "A", value: "b" }] };
const securityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { add: ["NET_BIND_SERVICE"], drop: ["ALL"] },
  readOnlyRootFilesystem: true,
  runAsGroup: 1000,
  runAsNonRoot: true,
  runAsUser: 1000,
  seccompProfile: { type: "RuntimeDefault" },
};
const container = {
  workingDir: "/srv",
  command: ["/bin/a"],
  args: ["b"],
  imagePullPolicy: "IfNotPresent",
  resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { cpu: "1", memory: "128Mi" } },
  env: [
    { name: "A", value: "b" },
    { name: "B", valueFrom: { configMapKeyRef: { ...reference, optional: true } } },
    { name: "C", valueFrom: { secretKeyRef: { name: "keys", key: "key" } } },
    { name: "D", valueFrom: { fieldRef: { fieldPath: "metadata.labels['tier']" } } },
    { name: "E", valueFrom: { resourceFieldRef: { containerName: "app", resource: "limits.memory", divisor: "1Mi" } } },
  ],
  envFrom: [{ prefix: "P_", configMapRef: { name: "conf" } }, { secretRef: { name: "keys", optional: true } }],
  securityContext,
};
const serving = {
  startupProbe: probe({ httpGet }),
  readinessProbe: probe({ grpc: { port: 9000, service: "health" } }),
  livenessProbe: { ...probe({ exec: { command: ["true"] } }), terminationGracePeriodSeconds: 4 },
  lifecycle: { postStart: { exec: { command: ["true"] } }, preStop: { sleep: { seconds: 1 } } },
};
const term = { labelSelector: { matchLabels: { tier: "front" } }, topologyKey: "kubernetes.io/hostname" };
const pods: JsonObject = {
  image: "registry.example/web:1",
  ports: [
    { name: "page", containerPort: 8080, appProtocol: "https" },
    { containerPort: 53, appProtocol: "udp" },
  ],
  ...container,
  volumeMounts: [{ name: "scratch", mountPath: "/tmp", subPath: "a" }],
  containers: [{ name: "side", image: "side:1", ...container, ports: [{ name: "admin", containerPort: 9901 }] }],
  initContainers: [{ name: "first", image: "first:1", ...container }],
  configMaps: [{ name: "conf", data: { key: "value" } }],
  secrets: [{ name: "keys" }],
  imagePullSecrets: [{ name: "keys" }],
  volumes: [
    { name: "scratch", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
    { name: "conf", configMap: { name: "conf", defaultMode: 256, items: [{ key: "key", path: "a", mode: 288 }] } },
    { name: "keys", secret: { secretName: "keys", optional: true } },
    { name: "pod", downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
    {
      name: "all",
      projected: { sources: [{ configMap: { name: "conf" } }, { secret: { name: "keys" } }, { downwardAPI: {} }] },
    },
  ],
  podSecurityContext: {
    fsGroup: 2000,
    fsGroupChangePolicy: "OnRootMismatch",
    runAsNonRoot: true,
    supplementalGroups: [3000],
    seccompProfile: { type: "RuntimeDefault" },
  },
  terminationGracePeriodSeconds: 7,
  podLabels: { tier: "front" },
  podAnnotations: { note: "what it says" },
  nodeSelector: { "kubernetes.io/arch": "amd64" },
  tolerations: [{ key: "lent", operator: "Equal", value: "yes", effect: "NoExecute", tolerationSeconds: 9 }],
  affinity: {
    podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] },
    podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: term }] },
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/arch", operator: "In", values: ["amd64"] }] }],
      },
    },
  },
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: "topology.kubernetes.io/zone", whenUnsatisfiable: "DoNotSchedule", minDomains: 1 },
  ],
};
const claims = [
  {
    name: "data",
    spec: {
      accessModes: ["ReadWriteOnce"],
      storageClassName: "standard",
      volumeMode: "Filesystem",
      resources: { requests: { storage: "1Gi" } },
    },
  },
  { name: "logs", spec: { resources: { requests: { storage: "1Gi" } } }, whenDeleted: "Retain" },
];

function made(app: JsonObject): { workload: Workload; plan: Plan } {
  const parsed = parseSpec(JSON.stringify({ ...pods, ...app }));
  assert.ok(parsed.ok, parsed.ok ? "" : parsed.refusal.message);
  const rest = { isStopped: false, replicas: 2, podSecurity: "restricted", nodeSelector: {}, surge: true } as const;
  return { workload: workload({ ...pods, ...app }, { namespace }), plan: { app: parsed.app, ...rest } };
}

/** Sends it as the agent does, and says which fields did not arrive, and what it would take for somebody's additions. */
async function tried<T extends { metadata: ObjectMeta; spec?: unknown }>(
  kind: ResourceKind<T>,
  draft: Draft<T>,
): Promise<string[]> {
  const answer = await kube.client.apply(kind, draft, { force: true, dryRun: true }, limit());
  return [...lostOf(kind, draft, answer), ...additions(draft, answer)];
}

test("a Deployment with every field is taken as it is, with its Service, its NetworkPolicy and its claims", async () => {
  const { workload: app, plan } = made({
    ...serving,
    claims,
    volumes: [
      ...(Array.isArray(pods.volumes) ? pods.volumes : []),
      { name: "data", persistentVolumeClaim: { claimName: "data", readOnly: true } },
    ],
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: "25%" } },
    minReadySeconds: 3,
    paused: true,
    restartedAt: "2026-11-21T12:00:00Z",
    progressDeadlineSeconds: 90,
  });
  assert.deepEqual(await tried(deployments, deploymentFor(app, plan)), []);
  assert.deepEqual(await tried(services, serviceFor(app, plan.app) ?? assert.fail()), []);
  assert.deepEqual(await tried(networkPolicies, networkPolicyOf(app)), []);
  const steps = claimSteps(app, plan, { found: new Map(), isThere: () => false });
  assert.equal(steps.length, 2);
  for (const step of steps) {
    assert.ok(step.do === "create");
    assert.deepEqual(await tried(persistentVolumeClaims, step.draft), []);
  }
});

test("a StatefulSet with every field is taken as it is, and is edited when it is there", async () => {
  const fields = {
    kind: "StatefulSet",
    ...serving,
    claims,
    volumeMounts: [{ name: "data", mountPath: "/data" }],
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 1 } },
    podManagementPolicy: "Parallel",
    minReadySeconds: 3,
  };
  const { workload: app, plan } = made(fields);
  const draft = statefulSetFor(app, plan);
  assert.deepEqual(await tried(statefulSets, draft), []);
  assert.deepEqual(await tried(services, headlessServiceFor(app, plan)), []);
  // Stored for once, without pods: what cannot be edited is known only where something is there.
  const idle = { ...plan, replicas: 0 };
  const owner = { ...statefulSetFor(app, idle), metadata: { name: draft.metadata.name ?? "", namespace } };
  const found = await kube.client.apply(statefulSets, owner, { force: true }, limit());
  const grown = made({
    ...fields,
    claims: [
      { ...claims[0], spec: { ...claims[0]?.spec, resources: { requests: { storage: "2Gi" } } } },
      claims[1] ?? {},
    ],
  });
  assert.deepEqual(await tried(statefulSets, statefulSetFor(app, { ...grown.plan, replicas: 0 }, found)), []);
});

test("a Job and a CronJob with every field are taken as they are", async () => {
  const job = {
    activeDeadlineSeconds: 60,
    backoffLimitPerIndex: 1,
    completionMode: "Indexed",
    completions: 3,
    maxFailedIndexes: 2,
    parallelism: 2,
    podFailurePolicy: { rules: [{ action: "FailIndex", onExitCodes: { operator: "In", values: [3] } }] },
    podReplacementPolicy: "Failed",
    suspend: true,
    ttlSecondsAfterFinished: 9,
  };
  const cronJob = {
    schedule: "0 3 * * *",
    timeZone: "Europe/Berlin",
    concurrencyPolicy: "Forbid",
    startingDeadlineSeconds: 30,
    suspend: true,
    successfulJobsHistoryLimit: 1,
    failedJobsHistoryLimit: 2,
  };
  const once = made({ kind: "Job", job, restartPolicy: "Never" });
  assert.deepEqual(await tried(jobs, jobFor(once.workload, once.plan)), []);
  const nightly = made({ kind: "CronJob", job, cronJob, restartPolicy: "Never" });
  assert.deepEqual(await tried(cronJobs, cronJobFor(nightly.workload, nightly.plan)), []);
});

test("a field that the server does not know, or has switched off, is found before anything is stored", async () => {
  const { workload: app, plan } = made(serving);
  const known = deploymentFor(app, plan);
  const edited = (change: (pod: JsonObject) => void): Draft<Deployment> => {
    const copy: JsonObject & Draft<Deployment> = JSON.parse(JSON.stringify(known));
    const pod = JSON.parse(JSON.stringify(known.spec?.template.spec));
    change(pod);
    const spec = JSON.parse(JSON.stringify({ ...known.spec, template: { ...known.spec?.template, spec: pod } }));
    return { ...copy, spec };
  };
  await tryOut(kube.client, deployments, known, limit());
  const unknown = edited((pod) => Object.assign(pod, { ofTheFuture: "x" }));
  await assert.rejects(
    tryOut(kube.client, deployments, unknown, limit()),
    /Deployment spec\.template\.spec\.ofTheFuture/,
  );
  // The feature gate HostnameOverride is off by default in 1.34.
  const gated = edited((pod) => Object.assign(pod, { hostnameOverride: "x" }));
  await assert.rejects(tryOut(kube.client, deployments, gated, limit()), /spec\.template\.spec\.hostnameOverride$/);
});
