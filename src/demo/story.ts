/** What the demo claims, each with its check: a claim is shown as true only after it was seen. */
import { createHash } from "node:crypto";
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { JoinResponse_State } from "../gen/fairlead/console/v1/peer_service_pb.ts";
import { type Change, Topic } from "../gen/fairlead/console/v1/watch_service_pb.ts";
import { deployments, peerPolicies } from "../kube/resources.ts";
import { agentNamespace, type Town } from "./town.ts";

export interface Claim {
  /** What is claimed, as a whole sentence. */
  readonly says: string;
  /** Does it and sees it; resolves with what was seen, rejects when it is not so. */
  see(signal: AbortSignal): Promise<string>;
}

/** The app that runs across. */
export const demoApp = { namespace: "default", name: "hello" } as const;
const image = "fairlead.dev/demo-web:1";
const appPort = 8080;

/** What the host lets the origin run: enough for everything below, and worth to be shown. */
const demoPolicy = {
  accept: true,
  images: ["fairlead.dev/demo-web", "fairlead.dev/crash"],
  maxReplicas: 6,
  approvalAbove: { pods: 4 },
  quota: { pods: 8 },
};

/** The main job, told in order: each claim stands on those before it. */
export function tellStory(origin: Town, host: Town): Claim[] {
  const path = `/apps/${demoApp.namespace}/${demoApp.name}/${appPort}`;
  const door = (rest: string, signal: AbortSignal): Promise<Response> =>
    fetch(`${origin.consoleUrl}${path}${rest}`, { headers: { authorization: `Bearer ${origin.token}` }, signal });

  return [
    {
      says: `${origin.name} and ${host.name} are paired with one invite`,
      async see(signal) {
        const invite = await host.client.peers.createInvite({ name: origin.name, grants: ["apps"] }, { signal });
        let words = "";
        for await (const step of origin.client.peers.join({ invite: invite.line }, { signal })) {
          words = step.words || words;
          if (step.state === JoinResponse_State.JOINED) return `the words on both screens: ${words}`;
        }
        throw new Error("the join ended before the two were paired");
      },
    },
    {
      says: `${host.name} says what ${origin.name} may run: two kinds of images, six pods of an app, and from the fifth on it asks`,
      async see(signal) {
        const metadata = { namespace: agentNamespace, name: origin.name };
        const spec = { peers: { names: [origin.name] }, workloads: demoPolicy };
        await host.kube.client.create(peerPolicies, peerPolicies.parse({ metadata, spec }), signal);
        const { values } = await host.client.policies.explainPolicy({ peer: origin.name }, { signal });
        const ruled = values.filter(({ policy }) => policy === origin.name);
        if (ruled.length === 0) throw new Error(`the policy counts for nothing at ${host.name}`);
        return ruled.map(({ path, value }) => `${path}: ${value}`).join(", ");
      },
    },
    {
      says: "one link stands between them, proved by keys on both ends",
      async see(signal) {
        for await (const { now } of changesOf(origin, Topic.PEERS, signal)) {
          if (now.case !== "peer" || now.value.status?.link?.state !== "Connected") continue;
          return `${now.value.metadata?.name} ${now.value.status.link.path ?? ""}, ${now.value.spec?.url ?? ""}`;
        }
        throw new Error("the watch ended before the link stood");
      },
    },
    {
      says: `a RemoteApp written at ${origin.name} is Ready`,
      async see(signal) {
        const spec = { peer: host.name, image, replicas: 2, ports: [{ name: "web", containerPort: appPort }] };
        await origin.client.apps.deployApp({ ref: demoApp, spec }, { signal });
        const app = await untilReady(origin, signal);
        return `${app.status?.readyReplicas} of ${app.spec?.replicas} pods ready`;
      },
    },
    {
      says: `it runs at ${host.name}, and nothing of it at ${origin.name}`,
      async see(signal) {
        const there = await host.kube.client.list(deployments, {}, signal);
        const here = await origin.kube.client.list(deployments, {}, signal);
        const [deployment] = there.items;
        if (there.items.length !== 1 || here.items.length !== 0 || !deployment) {
          throw new Error(`${there.items.length} Deployments there, ${here.items.length} here`);
        }
        return `Deployment ${deployment.metadata.namespace}/${deployment.metadata.name}`;
      },
    },
    {
      says: `its page answers at ${origin.name}, through the link`,
      async see(signal) {
        const response = await door("/", signal);
        const page = await response.text();
        if (response.status !== 200 || !page.includes("<html"))
          throw new Error(`${response.status}: ${page.slice(0, 200)}`);
        const hash = createHash("sha256").update(page).digest("hex").slice(0, 12);
        return `${page.length} bytes, sha256 ${hash}…`;
      },
    },
    {
      says: `an image that ${host.name} does not allow is refused, by name of the rule`,
      async see(signal) {
        const spec = { peer: host.name, image: "docker.io/library/nginx:1" };
        const { verdicts } = await origin.client.apps.checkApp({ spec }, { signal });
        const [{ verdict = "", findings = [] } = {}] = verdicts;
        if (verdict !== "Denied") throw new Error(`the verdict is "${verdict}"`);
        return findings.map(({ rule, message }) => `${rule}: ${message}`).join("; ");
      },
    },
    {
      says: "its logs follow here",
      async see(signal) {
        await (await door("/", signal)).text();
        for await (const { pod, line } of origin.client.pods.logs(
          { app: demoApp, follow: true, tailLines: 5 },
          { signal },
        )) {
          return `[${pod}] ${line}`;
        }
        throw new Error("no line came");
      },
    },
    {
      says: "scaling it here scales it there",
      async see(signal) {
        await origin.client.apps.scaleApp({ ref: demoApp, replicas: 3 }, { signal });
        const app = await untilReady(origin, signal);
        return `${app.status?.readyReplicas} of ${app.spec?.replicas} pods ready`;
      },
    },
    {
      says: `five pods wait for a person at ${host.name}, and run when they are approved`,
      async see(signal) {
        await origin.client.apps.scaleApp({ ref: demoApp, replicas: 5 }, { signal });
        await untilPhase(origin, "Held", signal);
        const { items } = await host.client.inbox.listInbox({}, { signal });
        const [item] = items;
        if (!item) throw new Error(`nothing waits at ${host.name}`);
        const { name, hash } = item;
        await host.client.inbox.approveInboxItem({ name, hash, message: "as much as you like" }, { signal });
        const app = await untilReady(origin, signal);
        return `${item.findings[0]?.message}; now ${app.status?.readyReplicas} of ${app.spec?.replicas} pods are ready`;
      },
    },
  ];
}

/** What there is of the topic, and then each change. */
async function* changesOf(town: Town, topic: Topic, signal: AbortSignal): AsyncGenerator<Change> {
  for await (const { changes } of town.client.watch.watch({ topics: [{ topic }] }, { signal })) yield* changes;
}

function untilReady(town: Town, signal: AbortSignal): Promise<App> {
  return untilPhase(town, "Ready", signal);
}

async function untilPhase(town: Town, phase: "Ready" | "Held", signal: AbortSignal): Promise<App> {
  let last = "nothing was heard of it";
  try {
    for await (const { now } of changesOf(town, Topic.APPS, signal)) {
      if (now.case !== "app") continue;
      const { metadata, spec, status } = now.value;
      last = [status?.phase, status?.reason, status?.message].filter(Boolean).join(": ") || last;
      const current = BigInt(status?.observedGeneration ?? 0) === metadata?.generation;
      const isAsWished = phase !== "Ready" || status?.readyReplicas === spec?.replicas;
      if (current && status?.phase === phase && isAsWished) return now.value;
    }
  } catch (error) {
    throw new Error(`it is not ${phase}: ${last}`, { cause: error });
  }
  throw new Error(`the watch ended before it was ${phase}: ${last}`);
}
