/**
 * Apps of every kind with what they bring along, as an agent that the chart installed runs them for another: it needs each of its
 * rights to StatefulSets, claims, Jobs, CronJobs, and to what it is sent.
 */
import assert from "node:assert/strict";
import { type InstalledAgent, releaseNamespace } from "./installed.ts";
import { until } from "./until.ts";

interface Listed {
  items: {
    metadata: { name: string; uid: string };
    spec: {
      suspend?: boolean;
      template?: { spec: { containers: unknown[] } };
      jobTemplate?: { spec: { template: { spec: { containers: unknown[] } } } };
    };
  }[];
}
interface App {
  status?: { phase?: string; message?: string; job?: { succeeded?: number } };
}

const within = { seconds: 75 };
const spy = [{ name: "spy", image: "example.test/echo:1" }];
const sleeps = ["sh", "-c", "trap exit TERM; sleep 3600 & wait"];

/** `manifest` makes the RemoteApp `name` in `namespace`; the app `echo` runs there. */
export async function everyKindRuns(o: {
  origin: InstalledAgent;
  host: InstalledAgent;
  namespace: string;
  hostNamespace: string;
  manifest(name: string, spec: object): string;
  ready(name: string, replicas: number): Promise<unknown>;
}): Promise<void> {
  const [a, b] = [o.origin.cluster, o.host.cluster];
  const here = ["-n", o.namespace];
  const there = ["-n", o.hostNamespace];
  const apply = (name: string, spec: object): Promise<string> =>
    a.kubectl(["apply", "-f", "-"], o.manifest(name, { ports: [], terminationGracePeriodSeconds: 0, ...spec }));
  const made = async (kind: string, of: string): Promise<Listed["items"]> =>
    (await b.get<Listed>([kind, ...there])).items.filter(({ metadata }) => metadata.name.startsWith(of));
  const one = async (kind: string, of: string): Promise<Listed["items"][number] | undefined> =>
    (await made(kind, of))[0];
  const phaseOf = async (name: string): Promise<string | undefined> =>
    (await a.get<App>(["rapp", name, ...here])).status?.phase;
  const remove = (name: string): Promise<string> => a.kubectl(["delete", "rapp", name, ...here, "--timeout=60s"]);
  const patched = async (kind: string, of: string, spec: object): Promise<string> =>
    b.kubectl(["patch", kind, ...there, (await one(kind, of))?.metadata.name ?? "", "-p", JSON.stringify({ spec })]);

  const shared = ["name", "secrets[0]", "configMaps[0]"].map((field, index) => {
    return [`shared.namespaces[0].${field}`, index === 0 ? o.namespace : "*"];
  });
  await o.origin.install(Object.fromEntries(shared));
  const more = { spec: { workloads: { storage: { classes: ["standard"] } }, pods: { exec: true } } };
  await b.kubectl(["patch", "ppol", "all", "-n", releaseNamespace, "--type=merge", "-p", JSON.stringify(more)]);
  await a.kubectl(["create", "secret", "generic", "db", ...here, "--from-literal=password=first"]);
  await a.kubectl(["create", "configmap", "site", ...here, "--from-literal=motto=first"]);
  await a.kubectl(["label", "secret/db", "configmap/site", ...here, "fairlead.dev/shared=true"]);

  const claim = {
    storageClassName: "standard",
    accessModes: ["ReadWriteOnce"],
    resources: { requests: { storage: "1Mi" } },
  };
  const store = {
    kind: "StatefulSet",
    command: sleeps,
    secrets: [{ name: "db" }],
    configMaps: [{ name: "site" }],
    env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } }],
    envFrom: [{ configMapRef: { name: "site" } }],
    claims: [{ name: "data", spec: claim, whenDeleted: "Retain" }],
    volumeMounts: [{ name: "data", mountPath: "/data" }],
  };
  await apply("store", store);
  await o.ready("store", 1);
  const before = [await one("secrets", "store"), await one("configmaps", "store")];
  await a.kubectl(["patch", "secret", "db", ...here, "-p", '{"stringData":{"password":"second"}}']);
  await a.kubectl(["patch", "configmap", "site", ...here, "-p", '{"data":{"motto":"second"}}']);
  for (const [index, kind] of ["secrets", "configmaps"].entries()) {
    await until(
      `the ${kind} of before are gone`,
      async () => {
        const [now, ...others] = await made(kind, "store");
        return now !== undefined && others.length === 0 && now.metadata.name !== before[index]?.metadata.name;
      },
      within,
    );
  }
  await o.ready("store", 1);
  // What follows would wait for the pod of the broken spec.
  await apply("store", { ...store, image: "example.test/no-such-image:1" });
  await until("its rollout fails", async () => (await phaseOf("store")) === "Degraded", within);
  await o.origin.cli(["app", "rollback", "store", ...here]);
  await o.ready("store", 1);
  await patched("statefulset", "store", { template: { spec: { containers: spy } } });
  const containersOf = async (): Promise<number | undefined> =>
    (await one("statefulset", "store"))?.spec.template?.spec.containers.length;
  await until("the sidecar in the StatefulSet is gone", async () => (await containersOf()) === 1, within);
  const first = (await one("statefulset", "store"))?.metadata.uid;
  await apply("store", { ...store, podManagementPolicy: "Parallel" });
  await until(
    "it is made anew",
    async () => ![undefined, first].includes((await one("statefulset", "store"))?.metadata.uid),
    within,
  );
  await o.ready("store", 1);
  const data = await made("pvc", "data");
  await remove("store");
  await apply("store", store);
  await o.ready("store", 1);
  assert.deepEqual(
    (await made("pvc", "data")).map(({ metadata }) => metadata.uid),
    data.map(({ metadata }) => metadata.uid),
    "the next app of the name has the data",
  );

  const once = {
    kind: "Job",
    claims: [{ name: "scratch", spec: claim }],
    volumes: [{ name: "scratch", persistentVolumeClaim: { claimName: "scratch" } }],
    volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
  };
  await apply("once", { ...once, command: sleeps });
  await until("the Job is there", async () => (await one("job", "once")) !== undefined, within);
  await apply("once", { ...once, command: sleeps, job: { suspend: true } });
  await until("it is suspended", async () => (await one("job", "once"))?.spec.suspend === true, within);
  await apply("once", { ...once, command: ["true"] });
  await until(
    "it has run anew",
    async () => (await a.get<App>(["rapp", "once", ...here])).status?.job?.succeeded === 1,
    { ...within, seen: () => "see the RemoteApp once" },
  );
  await apply("daily", { kind: "CronJob", command: ["true"], cronJob: { schedule: "0 4 * * *" } });
  await until("the CronJob is there", async () => (await one("cronjob", "daily")) !== undefined, within);
  await patched("cronjob", "daily", { jobTemplate: { spec: { template: { spec: { containers: spy } } } } });
  const jobContainers = async (): Promise<number | undefined> =>
    (await one("cronjob", "daily"))?.spec.jobTemplate?.spec.template.spec.containers.length;
  await until("the sidecar in the CronJob is gone", async () => (await jobContainers()) === 1, within);
  const answer = await o.origin.cli(["app", "exec", "echo", ...here, "--", "echo", "aye"]);
  assert.equal(answer.trim(), "aye");
  for (const name of ["store", "once", "daily"]) await remove(name);
}
