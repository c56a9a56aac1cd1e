/** The way to the kubelets of nodes that the policy opens: each request is judged and looked up by itself, since nodes come and go. */
import type { Clock } from "../base/clock.ts";
import { KubeError } from "../kube/errors.ts";
import type { Kubelets } from "../kube/kubelets.ts";
import type { KubeletPlace, ListedNode, NodeLook } from "../kube/node-list.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import { isNodeOf } from "../policy/reach.ts";
import { Reason } from "../wire/reason.ts";
import type { NodeTarget } from "../wire/target-text.ts";
import type { ExitCaller } from "./exit-caller.ts";
import { createNodeServer } from "./node-server.ts";
import { type Refusal, refusalOf } from "./refusal.ts";
import type { Way } from "./way.ts";

export interface NodeWayDeps {
  readonly nodes: Pick<NodeLook, "find">;
  readonly kubelets: Pick<Kubelets, "get">;
  policyOf(fingerprint: string): EffectivePolicy | undefined;
  readonly clock: Clock;
}

type FoundNode =
  | { readonly ok: true; readonly node: ListedNode; readonly place: KubeletPlace }
  | { readonly ok: false; readonly refusal: Refusal };

export function createNodeWay(deps: NodeWayDeps): Way<NodeTarget> {
  const server = createNodeServer(deps);

  async function look({ fingerprint }: ExitCaller, name: string, signal: AbortSignal): Promise<FoundNode> {
    try {
      const node = await deps.nodes.find(name, signal);
      const rules = deps.policyOf(fingerprint)?.tunnels.nodes ?? [];
      // Of a node that is not open to the caller by its labels nobody learns here that there is one.
      if (!node || !rules.some((rule) => isNodeOf(rule, node))) return refuse(noNode(name));
      if (node.kubelet) return { ok: true, node, place: node.kubelet };
      return refuse(nowhere(name));
    } catch (error) {
      signal.throwIfAborted();
      return refuse(explain(error, name));
    }
  }

  return {
    async find(caller, target, signal) {
      const found = await look(caller, target.name, signal).catch((error: unknown) =>
        refuse(explain(error, target.name)),
      );
      if (!found.ok) return found;
      return {
        ok: true,
        target: { ...target, labels: found.node.labels },
        opening: {
          serve: (stream, stop) =>
            server.serve(
              {
                caller,
                async find(during) {
                  const now = await look(caller, target.name, during);
                  return now.ok ? now : { ok: false, message: now.refusal.message };
                },
              },
              stream,
              stop,
            ),
        },
      };
    },
  };
}

function refuse(refusal: Refusal) {
  return { ok: false, refusal } as const;
}

function noNode(name: string): Refusal {
  return { ...refusalOf["not-found"], message: `There is no node here called ${name}.` };
}

function nowhere(name: string): Refusal {
  const message = `The node ${name} does not say where its kubelet answers, or says a place to which no peer is led.`;
  return { reason: Reason.UNREACHABLE, message, verdict: "failed" };
}

/** What the caller may know, who may reach the node; not what the API server says in its own words. */
function explain(error: unknown, name: string): Refusal {
  if (error instanceof KubeError && (error.status === 401 || error.status === 403)) {
    const message = `The peer's agent lacks the right to get nodes, so it cannot reach ${name}; whoever runs it can grant that (docs/rbac.md, "Where peers read kubelets").`;
    return { reason: Reason.UNREACHABLE, message, verdict: "failed", rule: "rbac/nodes" };
  }
  const message = `The peer's agent could not look up the node ${name}, since its cluster's API does not answer as it should.`;
  return { reason: Reason.UNREACHABLE, message, verdict: "failed" };
}
