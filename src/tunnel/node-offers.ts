/** Nodes of this cluster whose kubelets the rules of a caller let it read. */
import { KubeError } from "../kube/errors.ts";
import type { NodeLook } from "../kube/node-list.ts";
import { isNodeOf } from "../policy/reach.ts";
import type { OfferSource } from "./offers.ts";

export function nodeOffers(nodes: Pick<NodeLook, "list">): OfferSource {
  return {
    kind: "node",
    async list(_caller, { nodes: rules }, signal) {
      if (rules.length === 0) return { offers: [], problems: [] };
      try {
        const { nodes: there, isCut } = await nodes.list(signal);
        const open = there.filter((node) => rules.some((rule) => isNodeOf(rule, node)));
        const cut = "The cluster has more nodes than are looked at; the others can be reached all the same.";
        return {
          offers: open.map(({ name, labels, ready, kubelet }) => ({
            target: { kind: "node", name, labels },
            appProtocol: "http",
            notReady: kubelet
              ? ready
                ? undefined
                : "The node is not ready."
              : "It does not say where its kubelet answers.",
          })),
          problems: isCut ? [cut] : [],
        };
      } catch (error) {
        signal.throwIfAborted();
        return { offers: [], problems: [whyNot(error)] };
      }
    },
  };
}

/** What the caller may know, who may reach nodes; not the words of the API server. */
function whyNot(error: unknown): string {
  if (error instanceof KubeError && (error.status === 401 || error.status === 403)) {
    return `The peer's agent lacks the right to list nodes, so it does not say which there are; whoever runs it can grant that (docs/rbac.md, "Where peers read kubelets").`;
  }
  return "The peer's agent could not list the nodes, since its cluster's API does not answer as it should.";
}
