/** What an agent does with its rights to what apps bring along, to each kind that runs them and to their claims, for rights-scenario.ts. */

import type { InstalledAgent } from "./installed.ts";
import { until } from "./until.ts";

/** Often enough that a list does not come at the right moment each time. */
const newsRounds = 3;

export interface KindStage {
  /** Of the agents, where the host's policy `all` is. */
  readonly namespace: string;
  /** Of the RemoteApps, at the origin. */
  readonly apps: string;
  readonly origin: InstalledAgent;
  readonly host: InstalledAgent;
  /** The origin's namespace at the host. */
  readonly there: string;
  readonly seconds: number;
  /** In which a watch brings what has changed. */
  readonly newsSeconds: number;
  manifest(name: string, spec: object): string;
  ready(name: string, replicas: number): Promise<unknown>;
}

interface Hosted {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  spec: {
    suspend?: boolean;
    replicas?: number;
    template?: { spec: { containers: unknown[] } };
    jobTemplate?: { spec: { template: { spec: { containers: unknown[] } } } };
  };
}
interface App {
  status?: { phase?: string; job?: { succeeded?: number }; events?: { reason?: string }[] };
}

const sleeps = ["sh", "-c", "trap exit TERM; sleep 3600 & wait"];
const claim = {
  storageClassName: "standard",
  accessModes: ["ReadWriteOnce"],
  resources: { requests: { storage: "1Mi" } },
};
const spy = [{ name: "spy", image: "example.test/echo:1" }];

/** In the order in which they are to be played; each stands on the first and on those before it about the same kind. */
export function kindSteps(stage: KindStage): Record<string, () => Promise<void>> {
  const { origin, host, there, manifest, ready, seconds, newsSeconds } = stage;
  const [a, b] = [origin.cluster, host.cluster];
  const here = ["-n", stage.apps];
  const thereIn = ["-n", there];
  const apply = (name: string, spec: object): Promise<string> =>
    a.kubectl(["apply", "-f", "-"], manifest(name, { ports: [], terminationGracePeriodSeconds: 0, ...spec }));
  const within = (what: string, look: () => Promise<boolean>, limit = seconds): Promise<unknown> =>
    until(what, look, { seconds: limit });
  const made = async (kind: string, of: string): Promise<Hosted[]> =>
    (await b.get<{ items: Hosted[] }>([kind, ...thereIn])).items.filter(({ metadata }) => metadata.name.startsWith(of));
  const first = async (kind: string, of: string): Promise<Hosted | undefined> => (await made(kind, of))[0];
  const nameOf = async (kind: string, of: string): Promise<string> => (await first(kind, of))?.metadata.name ?? "";
  const patched = async (kind: string, of: string, spec: object): Promise<string> =>
    b.kubectl(["patch", kind, ...thereIn, await nameOf(kind, of), "-p", JSON.stringify({ spec })]);
  const app = (name: string): Promise<App> => a.get<App>(["remoteapp", ...here, name]);
  const remove = (name: string): Promise<string> =>
    a.kubectl(["delete", "rapp", name, ...here, `--timeout=${seconds}s`]);
  const isAnother = async (kind: string, of: string, uid: string | undefined): Promise<boolean> => {
    const [now, ...others] = await made(kind, of);
    return now !== undefined && others.length === 0 && now.metadata.uid !== uid && !now.metadata.deletionTimestamp;
  };

  const kept = { name: "data", spec: claim, whenDeleted: "Retain" };
  const store = {
    kind: "StatefulSet",
    command: sleeps,
    claims: [kept],
    volumeMounts: [{ name: "data", mountPath: "/data" }],
  };
  const once = {
    kind: "Job",
    claims: [{ name: "scratch", spec: claim }],
    volumes: [{ name: "scratch", persistentVolumeClaim: { claimName: "scratch" } }],
    volumeMounts: [{ name: "scratch", mountPath: "/scratch" }],
  };
  const contents = ["secrets", "configmaps"];

  return {
    async "storage is lent"() {
      const more = { spec: { workloads: { storage: { classes: ["standard"] } } } };
      await b.kubectl(["patch", "ppol", "all", "-n", stage.namespace, "--type=merge", "-p", JSON.stringify(more)]);
    },
    async "an app with content in a Secret and a ConfigMap"() {
      const role = ["fairlead-shared", "--verb=list,watch", "--resource=secrets,configmaps"];
      await a.kubectl(["create", "role", ...here, ...role]);
      const subject = ["--role=fairlead-shared", `--serviceaccount=${stage.namespace}:fairlead`];
      await a.kubectl(["create", "rolebinding", "fairlead-shared", ...here, ...subject]);
      await a.kubectl(["create", "secret", "generic", "db", ...here, "--from-literal=password=first"]);
      await a.kubectl(["create", "configmap", "site", ...here, "--from-literal=motto=first"]);
      await a.kubectl(["label", "secret/db", "configmap/site", ...here, "fairlead.dev/shared=true"]);
      await apply("carrier", {
        command: sleeps,
        secrets: [{ name: "db" }],
        configMaps: [{ name: "site" }],
        envFrom: [{ configMapRef: { name: "site" } }, { secretRef: { name: "db" } }],
      });
      await ready("carrier", 1);
    },
    async "the content of before goes"() {
      const before = await Promise.all(contents.map((kind) => first(kind, "carrier")));
      await a.kubectl(["patch", "secret", "db", ...here, "-p", '{"stringData":{"password":"second"}}']);
      await a.kubectl(["patch", "configmap", "site", ...here, "-p", '{"data":{"motto":"second"}}']);
      for (const [index, kind] of contents.entries())
        await within(`${kind} are new`, () => isAnother(kind, "carrier", before[index]?.metadata.uid), 20);
      await ready("carrier", 1);
    },
    async "a content that is lost is asked for again"() {
      for (let round = 0; round < newsRounds; round += 1) {
        for (const kind of contents) {
          const lost = await first(kind, "carrier");
          await b.kubectl(["delete", kind, ...thereIn, lost?.metadata.name ?? ""]);
          const isBack = () => isAnother(kind, "carrier", lost?.metadata.uid);
          await within(`the content in ${kind} is back`, isBack, newsSeconds);
        }
      }
      await remove("carrier");
    },
    async "a StatefulSet with a claim"() {
      await apply("store", store);
      await ready("store", 1);
    },
    async "a StatefulSet is put back"() {
      for (let round = 0; round < newsRounds; round += 1) {
        await b.kubectl(["scale", "statefulset", ...thereIn, await nameOf("statefulsets", "store"), "--replicas=2"]);
        const isBack = async () => (await first("statefulsets", "store"))?.spec.replicas === 1;
        await within("it has one pod", isBack, newsSeconds);
      }
      await patched("statefulsets", "store", { template: { spec: { containers: spy } } });
      const count = async () => (await first("statefulsets", "store"))?.spec.template?.spec.containers.length;
      await within("the sidecar is gone", async () => (await count()) === 1);
      await ready("store", 1);
    },
    async "a StatefulSet is made anew"() {
      const before = await first("statefulsets", "store");
      await apply("store", { ...store, podManagementPolicy: "Parallel" });
      await within("it is another", () => isAnother("statefulsets", "store", before?.metadata.uid), 20);
      await ready("store", 1);
    },
    async "a claim is the next app's"() {
      await remove("store");
      await apply("store", store);
      await ready("store", 1);
      await remove("store");
    },
    async "a claim that is lost is made again"() {
      await apply("idle", { ...once, kind: "Deployment", replicas: 0, command: sleeps });
      await ready("idle", 0);
      for (let round = 0; round < newsRounds; round += 1) {
        const lost = await first("pvc", "idle");
        await b.kubectl(["delete", "pvc", ...thereIn, lost?.metadata.name ?? ""]);
        await within("the claim is back", () => isAnother("pvc", "idle", lost?.metadata.uid), newsSeconds);
      }
      await remove("idle");
    },
    async "a Job"() {
      await apply("once", { ...once, command: sleeps });
      await within("it is there", async () => (await first("jobs", "once")) !== undefined);
    },
    async "a Job is suspended"() {
      await apply("once", { ...once, command: sleeps, job: { suspend: true } });
      await within("it is suspended", async () => (await first("jobs", "once"))?.spec.suspend === true);
    },
    async "a Job that changes runs anew, and its end is told"() {
      for (let round = 0; round < newsRounds; round += 1) {
        const before = await first("jobs", "once");
        await apply("once", { ...once, command: ["sh", "-c", `echo ${round}`] });
        await within("it is another", () => isAnother("jobs", "once", before?.metadata.uid), 20);
        const isOver = async () => (await app("once")).status?.job?.succeeded === 1;
        await b.kubectl(["wait", "job", ...thereIn, await nameOf("jobs", "once"), "--for=condition=complete"]);
        await within("its end is told", isOver, newsSeconds);
      }
      await remove("once");
    },
    async "a CronJob"() {
      await apply("daily", { kind: "CronJob", command: ["true"], cronJob: { schedule: "0 4 * * *" } });
      await within("it is there", async () => (await first("cronjobs", "daily")) !== undefined);
    },
    async "a CronJob is put back"() {
      for (let round = 0; round < newsRounds; round += 1) {
        await patched("cronjobs", "daily", { schedule: "0 5 * * *" });
        const isBack = async () => JSON.stringify(await first("cronjobs", "daily")).includes('"schedule":"0 4 * * *"');
        await within("its schedule is put back", isBack, newsSeconds);
      }
      await patched("cronjobs", "daily", { jobTemplate: { spec: { template: { spec: { containers: spy } } } } });
      const count = async () =>
        (await first("cronjobs", "daily"))?.spec.jobTemplate?.spec.template.spec.containers.length;
      await within("the sidecar is gone", async () => (await count()) === 1);
      await remove("daily");
    },
    async "what happened at the host is told"() {
      const tells = async (name: string): Promise<boolean> =>
        ((await app(name)).status?.events ?? []).some(({ reason }) => reason === "Failed");
      for (const name of ["never", "nowhere"]) {
        await apply(name, { image: `example.test/${name}:1` });
        await within("its Events are told", () => tells(name), 10);
        await remove(name);
      }
    },
    async "a rollout that fails is gone back from"() {
      await apply("stuck", { ...store, image: "example.test/no-such-image:1" });
      await within("it fails", async () => (await app("stuck")).status?.phase === "Degraded");
      await apply("stuck", store);
      await ready("stuck", 1);
      await remove("stuck");
    },
  };
}
