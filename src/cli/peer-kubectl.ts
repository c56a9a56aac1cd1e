/**
 * `fairlead peer allow-kubectl` and `disallow-kubectl`: whether this cluster's agent may speak for a peer to the API server. It is done
 * with the rights of who runs it, through their kubeconfig, and never by the agent, which could not give itself a right.
 */
import type { Command } from "commander";
import { stringify } from "yaml";
import { collectList } from "./command.ts";
import type { CliContext, ConnectionOptions, RightsObject } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";

interface Options {
  readonly group?: readonly string[];
  readonly serviceAccount: string;
  readonly dryRun?: boolean;
}

export function addPeerKubectl(peer: Command, context: CliContext): void {
  const { terminal } = context;
  const allow = peer
    .command("allow-kubectl <name>")
    .description("let a peer use this cluster's Kubernetes API, as far as RBAC allows user fairlead:peer:<name>");
  allow
    .option("--group <groups>", "groups beside fairlead:peers that a PeerPolicy names; may be given again", collectList)
    .option("--service-account <name>", "of the agent, in its namespace", "fairlead")
    .option("--dry-run", "print what would be applied, and change nothing")
    .action(async (name: string, options: Options) => {
      const found = allow.optsWithGlobals<ConnectionOptions>();
      const groups = options.group ?? [];
      const objects = kubectlRights(name, groups, {
        name: options.serviceAccount,
        namespace: found.agentNamespace ?? "fairlead-system",
      });
      if (options.dryRun) {
        await terminal.out(objects.map((object) => stringify(object)).join("---\n"));
        return;
      }
      const rights = await context.openRights(found);
      for (const object of objects) {
        await rights.apply(object, context.signal);
        await terminal.out(`${object.kind} ${object.metadata.name} applied\n`);
      }
      await terminal.out(
        `the agent may speak for ${[`user fairlead:peer:${name}`, ...allGroups(groups).map((group) => `group ${group}`)].join(", ")}\n`,
      );
      terminal.err(
        `  try: fairlead peer grant ${name} --add kubectl; a PeerPolicy with tunnels.kubernetes: true;\n       kubectl create rolebinding ${name} --clusterrole=view --user=fairlead:peer:${name} -n NAMESPACE\n`,
      );
    });

  const disallow = peer
    .command("disallow-kubectl <name>")
    .description("take back what allow-kubectl gave; what is under way ends with its connection");
  disallow
    .option("--dry-run", "say what would be deleted, and change nothing")
    .action(async (name: string, options: Options) => {
      checkName(name);
      const rights = options.dryRun
        ? undefined
        : await context.openRights(disallow.optsWithGlobals<ConnectionOptions>());
      for (const kind of ["ClusterRoleBinding", "ClusterRole"] as const) {
        const was = (await rights?.remove(kind, objectName(name), context.signal)) ?? true;
        const done = rights ? "deleted" : "would be deleted";
        await terminal.out(`${kind} ${objectName(name)} ${was ? done : "was not there"}\n`);
      }
    });
}

/** The same as the chart makes of `kubernetes.peers`. Throws a `CliError` for a name or a group that can be none. */
export function kubectlRights(
  peer: string,
  groups: readonly string[],
  agent: { readonly name: string; readonly namespace: string },
): readonly RightsObject[] {
  checkName(peer);
  const wrong = groups.find((group) => group.startsWith("system:") || !/^[A-Za-z0-9][-A-Za-z0-9:._@/]*$/.test(group));
  if (wrong !== undefined) {
    throw new CliError(`${wrong} is no group for a peer: those that begin with system: are Kubernetes' own`, {
      code: exitCode.usage,
    });
  }
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const metadata = { name: objectName(peer), labels: { "app.kubernetes.io/name": "fairlead" } };
  const verbs = ["impersonate"];
  return [
    {
      apiVersion,
      kind: "ClusterRole",
      metadata,
      rules: [
        { apiGroups: [""], resources: ["users"], resourceNames: [`fairlead:peer:${peer}`], verbs },
        { apiGroups: [""], resources: ["groups"], resourceNames: allGroups(groups), verbs },
        { apiGroups: ["authentication.k8s.io"], resources: ["userextras/fairlead.dev/asserted-person"], verbs },
      ],
    },
    {
      apiVersion,
      kind: "ClusterRoleBinding",
      metadata,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: objectName(peer) },
      subjects: [{ kind: "ServiceAccount", ...agent }],
    },
  ];
}

function allGroups(groups: readonly string[]): string[] {
  return [...new Set(["fairlead:peers", ...groups])];
}

function objectName(peer: string): string {
  return `fairlead-kubectl-${peer}`;
}

function checkName(peer: string): void {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(peer)) return;
  throw new CliError(`${JSON.stringify(peer)} is no name of a peer`, { code: exitCode.usage });
}
