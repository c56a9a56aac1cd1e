/**
 * The agent's own rights in a peer's namespace: a RoleBinding to one fixed ClusterRole, made before anything is read or
 * written there. Without such a role the agent has its rights from elsewhere, as an administrator's kubeconfig gives them.
 */
import type { Clock } from "../../base/clock.ts";
import type { KubeClient } from "../../kube/client.ts";
import {
  roleBindings,
  type SelfSubjectAccessReview,
  selfSubjectAccessReviews,
  selfSubjectReviews,
} from "../../kube/resources.ts";
import { labels } from "./names.ts";

export interface TenantRights {
  /** Resolves when the rights are in force; with a sentence when they do not come to be. Rejects on trouble that may pass. */
  ensure(namespace: string, signal: AbortSignal): Promise<string | undefined>;
}

/** API servers learn of a RoleBinding some moments after it is made; this long, in milliseconds, is much too long. */
const inForceWithinMs = 10_000;
const lookAgainMs = 50;

export function createTenantRights(deps: {
  client: Pick<KubeClient, "create" | "apply">;
  /** The ClusterRole's name; undefined or empty when nothing is to be bound. */
  role: string | undefined;
  clock: Clock;
}): TenantRights {
  const { client, role, clock } = deps;
  let known: Subject | undefined;

  async function subject(signal: AbortSignal): Promise<Subject> {
    known ??= subjectOf((await client.create(selfSubjectReviews, { metadata: {} }, signal)).status?.userInfo?.username);
    return known;
  }

  async function bind(namespace: string, roleName: string, signal: AbortSignal): Promise<void> {
    const binding = {
      metadata: { name: roleName, namespace, labels: { [labels.managedBy]: "fairlead" } },
      roleRef: { apiGroup: rbac, kind: "ClusterRole", name: roleName },
      subjects: [await subject(signal)],
    };
    await client.apply(roleBindings, binding, { force: true }, signal);
  }

  async function ask(namespace: string, signal: AbortSignal): Promise<SelfSubjectAccessReview["status"]> {
    const resourceAttributes = { namespace, group: "apps", resource: "deployments", verb: "patch" };
    const review = { metadata: {}, spec: { resourceAttributes } };
    return (await client.create(selfSubjectAccessReviews, review, signal)).status;
  }

  return {
    async ensure(namespace, signal) {
      if (!role) return undefined;
      await bind(namespace, role, signal);
      const deadline = clock.monotonic() + inForceWithinMs;
      for (;;) {
        const status = await ask(namespace, signal);
        if (status?.allowed) return undefined;
        if (clock.monotonic() > deadline) {
          return `the ClusterRole ${role} does not give the agent its rights in ${namespace}: ${status?.reason || "it may not patch Deployments there"}`;
        }
        await clock.sleep(lookAgainMs, signal);
      }
    },
  };
}

interface Subject {
  kind: "ServiceAccount" | "User";
  name: string;
  namespace?: string;
  apiGroup?: string;
}

const rbac = "rbac.authorization.k8s.io";

/** How a RoleBinding names a user of the API server. */
function subjectOf(username: string | undefined): Subject {
  if (!username) throw new Error("The API server does not say who this agent is.");
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username) ?? [];
  if (namespace && name) return { kind: "ServiceAccount", name, namespace };
  return { kind: "User", name: username, apiGroup: rbac };
}
