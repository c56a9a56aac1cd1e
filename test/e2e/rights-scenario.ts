/** A short run of all that an agent does with its rights, for without-right.ts: the first step that fails tells which right is missed. */

import assert from "node:assert/strict";
import { forwardHasItsService, forwardIsWritten, offerHasItsService } from "./forward-steps.ts";
import { historyIsKept } from "./history-steps.ts";
import { connected, type InstalledAgent } from "./installed.ts";
import { kindSteps } from "./kind-rights.ts";
import {
  auditIsStored,
  auditWasKept,
  egressSparesTheApiServer,
  guardsArePutBack,
  nodeIsRead,
  type PolicyStage,
  policyIsTold,
  serviceIsReached,
} from "./policy-rights.ts";
import { tokenOpens } from "./token-steps.ts";
import { until } from "./until.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
/** What takes a second or two on a quick machine has so many. */
const seconds = 15;
/** News of a change comes by a watch at once; without one, whenever the agent lists next. */
const newsSeconds = 4;
/** Often enough that a list does not come at the right moment each time. */
const newsRounds = 4;
/** The count of a repeated Event is written after so many milliseconds. */
const countedAfterMs = 62_000;

export interface Stage {
  /** Of the agents, on both clusters. */
  readonly namespace: string;
  /** Of the RemoteApps, at the origin. */
  readonly apps: string;
  readonly origin: InstalledAgent;
  readonly host: InstalledAgent;
}

interface Named {
  metadata: { name: string };
}
interface App {
  metadata: { generation: number };
  status?: {
    phase?: string;
    message?: string;
    readyReplicas?: number;
    observedGeneration?: number;
    pods?: { name: string; lastLines?: string }[];
  };
}
interface Hosted extends Named {
  spec: { replicas: number; template: { spec: { containers: unknown[] } } };
}

/** Which steps to play; all that is not given. */
export interface Part {
  /** The last one. */
  readonly last?: string | undefined;
  /** Of the steps about kinds of apps, those whose names have this in them. */
  readonly kind?: string | undefined;
}

/** Undefined when all went well. */
export async function playRights(stage: Stage, part: Part = {}): Promise<{ step: string; why: string } | undefined> {
  for (const [step, run] of Object.entries(stepsOf(stage, part.kind ?? ""))) {
    try {
      await run();
      if (step === part.last) return undefined;
    } catch (error) {
      return {
        step,
        why:
          String(error instanceof Error ? error.message : error)
            .split("\n")[0]
            ?.slice(0, 200) ?? "",
      };
    }
  }
  return undefined;
}

function stepsOf({ namespace, apps, origin, host }: Stage, kind: string): Record<string, () => Promise<void>> {
  const [a, b] = [origin.cluster, host.cluster];
  const there = `fairlead-peer-${origin.name}`;
  const policy: PolicyStage = { namespace, host, origin, there, seconds, newsSeconds: newsSeconds + 1 };
  const inApps = ["-n", apps];
  const inThere = ["-n", there];
  const within = (what: string, look: () => Promise<boolean>, limit = seconds): Promise<unknown> =>
    until(what, look, { seconds: limit });
  const app = (name: string): Promise<App> => a.get<App>(["remoteapp", ...inApps, name]);
  const listed = async <T extends Named>(kind: string, of: string): Promise<T[]> =>
    (await b.get<{ items: T[] }>([kind, ...inThere])).items.filter(({ metadata }) => metadata.name.startsWith(of));
  const echo = async (): Promise<Hosted | undefined> => (await listed<Hosted>("deployments", "echo"))[0];
  const manifest = (name: string, spec: object): string =>
    JSON.stringify({
      apiVersion: "fairlead.dev/v1alpha1",
      kind: "RemoteApp",
      metadata: { name, namespace: apps },
      spec: { peer: host.name, image, ports: [{ containerPort: 8080 }], ...spec },
    });
  const ready = (name: string, replicas: number, limit = seconds): Promise<unknown> =>
    within(
      `${name} is Ready with ${replicas}`,
      async () => {
        const { status, metadata } = await app(name);
        const isSeen = status?.observedGeneration === metadata.generation;
        return isSeen && status?.phase === "Ready" && status.readyReplicas === replicas;
      },
      limit,
    );
  const scale = (name: string, replicas: number): Promise<string> =>
    a.kubectl(["scale", "rapp", name, ...inApps, `--replicas=${replicas}`]);
  const everyKind = kindSteps({
    ...{ namespace, apps, origin, host, there, manifest, newsSeconds },
    seconds: 3 * seconds,
    ready: (name, count) => ready(name, count, 3 * seconds),
  });
  const isPlayed = ([name]: [string, unknown]): boolean => name.includes(kind) || name === "storage is lent";
  const ofKind = Object.fromEntries(Object.entries(everyKind).filter(isPlayed));
  let firstReadyAt = 0;
  let replicas = 1;

  async function aChangeIsNews(round: number): Promise<void> {
    replicas = replicas === 1 ? 2 : 1;
    await scale("echo", replicas);
    const isScaled = async () => (await echo())?.spec.replicas === replicas;
    await within("the wish that changed is at the host", isScaled, newsSeconds);
    await ready("echo", replicas);
    const name = (await echo())?.metadata.name ?? "";
    await b.kubectl(["scale", "deployment", name, ...inThere, "--replicas=5"]);
    await within("the Deployment is put back", isScaled, newsSeconds);
    await b.kubectl(["delete", "service", name, ...inThere]);
    await within("the Service is put back", async () => (await listed("services", "echo")).length === 1, newsSeconds);
    await ready("echo", replicas);
    await b.kubectl(["delete", "pods", "--all", ...inThere, "--force", "--grace-period=0"]);
    await within(
      "the pods of today are shown",
      async () => {
        const pods = (await listed("pods", "echo")).map((pod) => pod.metadata.name).sort();
        const shown = ((await app("echo")).status?.pods ?? []).map((pod) => pod.name).sort();
        return pods.length === replicas && String(pods) === String(shown);
      },
      newsSeconds,
    );
    await a.kubectl(["label", "peer", host.name, "-n", namespace, "--overwrite", `round=${round}`]);
    await within(
      "the Peer's label is shown",
      async () => {
        const { metadata } = JSON.parse(await origin.cli(["peer", "get", host.name, "-o", "json"]));
        return metadata.labels?.round === String(round);
      },
      newsSeconds,
    );
    const [workload] = await listed("workloads", "echo");
    await b.kubectl(["delete", "workload", workload?.metadata.name ?? "", ...inThere, "--wait=false"]);
    await within(
      "the Workload that somebody deleted is told",
      async () => (await app("echo")).status?.phase !== "Ready" || (await listed("workloads", "echo")).length === 1,
      newsSeconds,
    );
    await ready("echo", replicas);
  }

  return {
    async start() {
      await Promise.all(
        [a, b].map((cluster) =>
          cluster.kubectl(["-n", namespace, "rollout", "status", "deployment/fairlead", "--timeout=90s"]),
        ),
      );
    },
    async pair() {
      await origin.cli(["join", "-"], (await host.cli(["invite"])).trim());
    },
    async connected() {
      await connected(origin, host, seconds);
    },
    async grant() {
      await host.cli(["peer", "grant", origin.name, "apps", "tunnels"]);
    },
    "policy status": () => policyIsTold(policy),
    "audit stored": () => auditIsStored(policy),
    async apply() {
      await a.kubectl(["create", "namespace", apps]);
      const command = ["sh", "-c", "trap exit TERM; echo ahoy; sleep 3600 & wait"];
      await a.kubectl(["apply", "-f", "-"], manifest("echo", { command }));
      await a.kubectl(["apply", "-f", "-"], manifest("bell", { command, replicas: 0 }));
      await within("a Deployment is there", async () => (await echo()) !== undefined);
      await within("a Service is there", async () => (await listed("services", "echo")).length === 1);
    },
    async Ready() {
      await ready("echo", 1);
      await ready("bell", 0);
      await within("the Workload says so itself", async () => {
        const [workload] = await listed<Named & { status?: { phase?: string } }>("workloads", "echo");
        return workload?.status?.phase === "Ready";
      });
      firstReadyAt = performance.now();
    },
    async Events() {
      const named = ["events", ...inApps, "--field-selector=involvedObject.kind=RemoteApp"];
      await within("an Event", async () => (await a.get<{ items: unknown[] }>(named)).items.length > 0);
    },
    async logs() {
      assert.match(await origin.cli(["app", "logs", "echo", ...inApps]), /ahoy/);
    },
    async exec() {
      const pods = { spec: { pods: { exec: true } } };
      await b.kubectl(["patch", "ppol", "all", "-n", namespace, "--type=merge", "-p", JSON.stringify(pods)]);
      const run = ["app", "exec", "echo", ...inApps, "--", "echo", "aye"];
      await within("it is allowed", async () => (await origin.cli(run).catch(() => "")).includes("aye"));
    },
    "a Service is reached": () => serviceIsReached(policy),
    "a node is read": () => nodeIsRead(policy),
    "a token of Kubernetes": () => tokenOpens(origin, namespace),
    "a Forward": () => forwardHasItsService(policy),
    "a Forward at the console": () => forwardIsWritten(policy),
    "a Forward in reverse": () => offerHasItsService(policy),
    ...ofKind,
    async scale() {
      await scale("echo", 2);
      await ready("echo", 2);
      replicas = 2;
    },
    history: () => historyIsKept({ origin, namespace: apps, name: "annals", manifest, seconds: newsSeconds }),
    async "a sidecar is taken away"() {
      const name = (await echo())?.metadata.name ?? "";
      const spec = { template: { spec: { containers: [{ name: "spy", image }] } } };
      await b.kubectl(["patch", "deployment", ...inThere, name, "-p", JSON.stringify({ spec })]);
      await within("it is gone", async () => (await echo())?.spec.template.spec.containers.length === 1);
      await ready("echo", 2);
    },
    async "a port that goes"() {
      const patch = '{"spec":{"ports":[]}}';
      await a.kubectl(["patch", "rapp", "bell", ...inApps, "--type=merge", "-p", patch]);
      await within("its Service is gone", async () => (await listed("services", "bell")).length === 0);
    },
    "guards put back": () => guardsArePutBack(policy),
    egress: () => egressSparesTheApiServer(policy),
    async "app deploy"() {
      const three = manifest("three", { command: ["sh", "-c", "echo no sail; exit 3"] });
      await origin.cli(["app", "deploy", "-f", "-", ...inApps], three);
    },
    async "the reason of trouble"() {
      await within("the exit code and the last lines", async () => {
        const { status } = await app("three");
        const lines = status?.pods?.some(({ lastLines = "" }) => /no sail/.test(lastLines)) ?? false;
        return /exit code 3/.test(status?.message ?? "") && lines;
      });
    },
    async "app delete"() {
      await origin.cli(["app", "delete", "three", ...inApps, "--wait", "--timeout", `${seconds}s`]);
    },
    async "an invite of 1970 is forgotten"() {
      const label = ["-n", namespace, "-l", "fairlead.dev/invite", "-o", "name"];
      const [name = ""] = (await b.kubectl(["get", "secrets", ...label])).split("\n");
      const { data } = await b.get<{ data: Record<string, string> }>(["-n", namespace, name]);
      const record = JSON.parse(Buffer.from(data["invite.json"] ?? "", "base64").toString());
      const stringData = { "invite.json": JSON.stringify({ ...record, createdAt: 0, expiresAt: 1 }) };
      await b.kubectl(["patch", "-n", namespace, name, "--type=merge", "-p", JSON.stringify({ stringData })]);
      await host.cli(["invite", "list"]);
      await assert.rejects(b.kubectl(["get", "-n", namespace, name]), /NotFound/);
    },
    async "news at once"() {
      for (let round = 1; round <= newsRounds; round += 1) await aChangeIsNews(round);
    },
    async "a label that was taken off"() {
      await b.kubectl(["label", "namespace", there, "pod-security.kubernetes.io/enforce-"]);
      await host.killPod();
      await connected(origin, host, seconds);
      await scale("echo", 3);
      await ready("echo", 3);
      const { metadata } = await b.get<{ metadata: { labels: Record<string, string> } }>(["namespace", there]);
      assert.equal(metadata.labels["pod-security.kubernetes.io/enforce"], "baseline");
    },
    "audit kept": () => auditWasKept(policy),
    async delete() {
      await a.kubectl(["delete", "rapp", "echo", ...inApps, `--timeout=${seconds}s`]);
      await within("nothing is left", async () => (await listed("workloads,deployments,pods", "echo")).length === 0);
    },
    async "a repetition"() {
      await within("time has passed", async () => performance.now() - firstReadyAt > countedAfterMs, 70);
      await scale("bell", 1);
      await ready("bell", 1);
      await scale("bell", 0);
      await ready("bell", 0);
      await within("an Event has a count", async () => {
        const { items } = await a.get<{ items: { series?: { count: number } }[] }>(["events.events.k8s.io", ...inApps]);
        return items.some(({ series }) => (series?.count ?? 0) > 1);
      });
    },
  };
}
