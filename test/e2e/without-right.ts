/**
 * Which step fails when the agent lacks one right, for each right that the chart gives: how the table in docs/rbac.md was made.
 * Run by hand, with all that `make e2e` wants; 90 minutes: `node test/e2e/without-right.ts [--last STEP] [--kind WORD] [--lane NUMBER] [PART_OF_A_RIGHT…]`.
 * Both clusters lack the right. First it runs with all rights, where no step may fail. Its roles have names of their own, so that a
 * release of the chart's keeps its rights; runs in different lanes, from 0 to 9, do not meet.
 */

import { parseArgs } from "node:util";
import { parseAllDocuments } from "yaml";
import { findHelm } from "../../bin/helm.ts";
import { applyDefinitions, type Cluster, openCluster } from "./clusters.ts";
import { mustRun } from "./command.ts";
import { clean, type InstalledAgent, openAgent } from "./installed.ts";
import { playRights, type Stage } from "./rights-scenario.ts";
import { visitorValues } from "./token-steps.ts";

interface KubeObject {
  kind: string;
  metadata: { name: string; namespace?: string };
  roleRef?: { name: string };
  rules?: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}
interface Right {
  role: string;
  group: string;
  resource: string;
  verb: string;
}

const clusters = [openCluster("a"), openCluster("b")] as const;
const { values: options, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: { last: { type: "string" }, kind: { type: "string" }, lane: { type: "string", default: "0" } },
});
const lane = `l${options.lane}`;
const ours = new RegExp(`^(without-${lane}-\\d+(-apps)?|fairlead-peer-${lane}w\\d+[ab])$`);
const linkPort = 31_810 + Number(options.lane);

/** What the chart makes, without its definitions. */
async function rendered(cluster: Cluster, name: string, namespace: string): Promise<KubeObject[]> {
  const [, repository, tag] = /^(.+):([^:/]+)$/.exec(process.env.E2E_AGENT_IMAGE ?? "") ?? [];
  const address = process.env[`NODE_IP_${cluster.name.toUpperCase()}`];
  const values = [
    `name=${name}`,
    `image.repository=${repository}`,
    `image.tag=${tag}`,
    "link.service.type=NodePort",
    `link.service.nodePort=${linkPort}`,
    `link.url=ws://${address}:${linkPort}/link`,
    // Without a policy nothing of a peer runs.
    "policies[0].name=all",
    "policies[0].spec.workloads.accept=true",
    `policies[0].spec.tunnels.services[0].namespace=${namespace}`,
    "policies[0].spec.tunnels.nodes[0].names[0]=*",
    // A Forward to what the peer's agent tells of itself, and one that offers a Service.
    "policies[0].spec.tunnels.metrics=true",
    "policies[0].spec.tunnels.reverse[0].name=offered",
    `forwards.namespaces[0]=${namespace}`,
    "forwards.reverse=true",
    ...Object.entries(visitorValues(namespace)).map(([value, text]) => `${value}=${text}`),
  ];
  const args = ["template", "fairlead", "charts/fairlead", "--namespace", namespace];
  const text = await mustRun(findHelm(), [...args, ...values.flatMap((value) => ["--set", value])]);
  const own = text.replaceAll(/\bfairlead-(agent|tenant|api-server)\b/g, `without-right-${lane}-$1`);
  return parseAllDocuments(own).flatMap((document) => ownReader(document.toJS()) ?? []);
}

/** The account that reads kubelets has its name from the agent, and is in the agent's namespace; its role is everybody's. */
function ownReader(object: KubeObject | null): KubeObject | null {
  if (object?.metadata.name !== "fairlead-nodes" || !object.kind.startsWith("ClusterRole")) return object;
  const name = `without-right-${lane}-nodes`;
  const { roleRef } = object;
  return { ...object, metadata: { ...object.metadata, name }, ...(roleRef && { roleRef: { ...roleRef, name } }) };
}

const roleOf = ({ kind, metadata }: KubeObject): string => `${kind} ${metadata.name}`;

function rightsIn(objects: readonly KubeObject[]): Right[] {
  return objects.flatMap((object) =>
    (object.rules ?? []).flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => ({ role: roleOf(object), group, resource, verb }))),
      ),
    ),
  );
}

function withoutRight(objects: readonly KubeObject[], right: Right | undefined): KubeObject[] {
  return objects.map((object) => {
    if (!right || !object.rules || roleOf(object) !== right.role) return object;
    const rules = object.rules.flatMap((rule) => {
      const { resource, verb } = right;
      if (!rule.apiGroups.includes(right.group) || !rule.resources.includes(resource)) return [rule];
      // Other resources of the same rule keep it.
      const others = { ...rule, resources: rule.resources.filter((one) => one !== resource) };
      return [others, { ...rule, resources: [resource], verbs: rule.verbs.filter((one) => one !== verb) }];
    });
    return { ...object, rules: rules.filter(({ resources, verbs }) => resources.length > 0 && verbs.length > 0) };
  });
}

/** Puts a fresh agent into a fresh namespace; its rights are there before it is. */
async function install(stage: Stage, agent: InstalledAgent, right: Right | undefined): Promise<void> {
  const { kubectl } = agent.cluster;
  await kubectl(["create", "namespace", stage.namespace]);
  const objects = withoutRight(await rendered(agent.cluster, agent.name, stage.namespace), right);
  await kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
}

/** Takes away all that would disturb the next agents at once; the namespaces may take their time. */
async function clear(cluster: Cluster, names: readonly string[]): Promise<void> {
  const { items } = await cluster.get<{ items: { metadata: { name: string } }[] }>(["namespaces"]);
  const present = items.map(({ metadata }) => metadata.name).filter((name) => names.includes(name));
  for (const namespace of present) {
    await cluster.kubectl(["delete", "deployments,services", "--all", "-n", namespace, "--wait=false"]);
    await cluster.kubectl(["delete", "pods", "--all", "-n", namespace, "--force", "--grace-period=0"]);
    for (const kind of ["remoteapps", "workloads"]) {
      const found = await cluster.kubectl(["get", kind, "-n", namespace, "-o", "name"]);
      for (const name of found.split("\n").filter(Boolean)) {
        await cluster.kubectl(["delete", "-n", namespace, name, "--wait=false"]);
        // Its last finalizer may have been taken off by then.
        await cluster
          .kubectl(["patch", "-n", namespace, name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'])
          .catch(() => {});
      }
    }
  }
  if (present.length > 0) await cluster.kubectl(["delete", "namespace", ...present, "--wait=false"]);
}

/** True when one of the agents has said that it lacks the right. */
async function isMissed(stage: Stage, { resource, verb }: Right): Promise<boolean> {
  const logs = await Promise.all(
    clusters.map((cluster) => cluster.kubectl(["logs", "-n", stage.namespace, "deployment/fairlead"]).catch(() => "")),
  );
  return logs.some((log) => log.includes(`cannot ${verb} resource \\"${resource.split("/")[0]}`));
}

async function play(number: number, right: Right | undefined): Promise<string> {
  const namespace = `without-${lane}-${number}`;
  const [origin, host] = await Promise.all([
    openAgent(clusters[0], `${lane}w${number}a`, namespace),
    openAgent(clusters[1], `${lane}w${number}b`, namespace),
  ]);
  const stage = { namespace, apps: `${namespace}-apps`, origin, host };
  try {
    await Promise.all([origin, host].map((agent) => install(stage, agent, right)));
    const failed = await playRights(stage, options);
    if (!failed) return "no step fails";
    const missed = right && (await isMissed(stage, right)) ? "; the agent's log names the right" : "";
    return `${failed.step}${missed} (${failed.why})`;
  } finally {
    const names = [namespace, stage.apps, `fairlead-peer-${origin.name}`, `fairlead-peer-${host.name}`];
    await Promise.all(clusters.map((cluster) => clear(cluster, names)));
  }
}

await Promise.all(clusters.map((cluster) => clean(cluster, ours)));
await Promise.all(clusters.map(applyDefinitions));
const objects = await rendered(clusters[0], "all", `without-${lane}-0`);
const everything = rightsIn(objects);
const rights = everything
  .map((right) => ({ right, name: `${right.role}: ${right.group || "core"}/${right.resource} ${right.verb}` }))
  .filter(({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)));
console.log(`all rights | ${await play(0, undefined)}`);
for (const [index, { right, name }] of rights.entries()) {
  const startedAt = performance.now();
  const outcome = await play(index + 1, right);
  console.log(`${name} | ${outcome} | ${Math.round((performance.now() - startedAt) / 1000)} s`);
}
await Promise.all(clusters.map((cluster) => clean(cluster, ours)));
// What is not in the agents' namespaces would be in the way of a release of helm's.
const beside = objects.filter(({ metadata }) => metadata.namespace !== `without-${lane}-0`);
const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: beside });
await Promise.all(clusters.map(({ kubectl }) => kubectl(["delete", "--ignore-not-found", "-f", "-"], list)));
