/** ClusterRoles and their bindings, for a person who may change them. */
import { fieldManager } from "./apply.ts";
import { isNotFound } from "./errors.ts";
import type { Requests } from "./requests.ts";

type RightsKind = "ClusterRole" | "ClusterRoleBinding";

const plural: Readonly<Record<RightsKind, string>> = {
  ClusterRole: "clusterroles",
  ClusterRoleBinding: "clusterrolebindings",
};

export function rightsIn({ requests }: { readonly requests: Requests }): {
  /** Server-side apply; what others have changed in it is put back. */
  apply(object: RightsObject, signal: AbortSignal): Promise<void>;
  /** False when there was none. */
  remove(kind: RightsKind, name: string, signal: AbortSignal): Promise<boolean>;
} {
  const pathOf = (kind: RightsKind, name: string): string =>
    `/apis/rbac.authorization.k8s.io/v1/${plural[kind]}/${name}`;
  return {
    async apply(object, signal) {
      const { kind, metadata } = object;
      await requests.json(
        {
          method: "PATCH",
          path: pathOf(kind, metadata.name),
          query: { fieldManager, force: true },
          body: JSON.parse(JSON.stringify(object)),
          contentType: "application/apply-patch+yaml",
          what: `apply ${kind} ${metadata.name}`,
        },
        signal,
      );
    },
    async remove(kind, name, signal) {
      try {
        await requests.json({ method: "DELETE", path: pathOf(kind, name), what: `delete ${kind} ${name}` }, signal);
        return true;
      } catch (error) {
        if (isNotFound(error)) return false;
        throw error;
      }
    },
  };
}

interface RightsObject {
  readonly kind: RightsKind;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}
