/** Changes of Forwards by people at this agent: exactly of what they saw, judged as the agent itself will judge what is written. */
import { Code, ConnectError } from "@connectrpc/connect";
import { CreateForwardRequestSchema } from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import { type ForwardSpec, ForwardSpecSchema } from "../../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import { keyOf } from "../../kube/object.ts";
import { type Forward, forwards } from "../../kube/resources.ts";
import { planForward } from "../../tunnel/forwards/plan.ts";
import { brokenRule } from "./broken-rule.ts";
import { createSeenChanges, type SeenChanges, type SeenChangesDeps, type SeenRef, writeHere } from "./seen-changes.ts";

export interface ForwardChangesDeps {
  readonly kube: SeenChangesDeps<typeof ForwardSpecSchema, unknown>["kube"];
  /** Resolves once this agent knows the Forward of this key, or has waited for that long enough. */
  heard(key: string, signal: AbortSignal): Promise<void>;
  /** Undefined where there can be Forwards: why there can be none, in a sentence. */
  readonly noneHere: string | undefined;
}

/** It throws ConnectErrors for what a person can mend, and KubeErrors for the rest. */
export type ForwardChanges = SeenChanges<ForwardSpec, Forward>;

export function createForwardChanges({ kube, heard, noneHere }: ForwardChangesDeps): ForwardChanges {
  const changes = createSeenChanges({
    kube,
    kind: forwards,
    spec: ForwardSpecSchema,
    missing: noSuchForward,
  });

  function where<T>({ namespace }: SeenRef, write: () => Promise<T>): Promise<T> {
    const refused = `this agent may not write Forwards in the namespace ${namespace}; if it has no right to, list it in forwards.namespaces of the chart, forwards.namespaces: [${namespace}], and leave rbac.forwards true`;
    return writeHere({ elsewhere: noneHere, refused }, write);
  }

  return {
    get: changes.get,
    make: (ref, draft, signal) =>
      where(ref, async () => {
        refuseUnfit(ref, draft.spec);
        const made = await changes.make(ref, draft, signal);
        // Who made it may change it at once only when it is known whose it is.
        if (!draft.dryRun) await heard(keyOf(ref), signal);
        return made;
      }),
    change: (ref, draft, signal) =>
      where(ref, () => {
        refuseUnfit(ref, draft.spec);
        return changes.change(ref, draft, signal);
      }),
    delete: (ref, how, signal) => where(ref, () => changes.delete(ref, how, signal)),
  };
}

export function noSuchForward({ namespace, name }: SeenRef): ConnectError {
  return new ConnectError(`there is no Forward ${namespace}/${name}; see: fairlead forward list`, Code.NotFound);
}

/** INVALID_ARGUMENT for what would only become a Forward whose status says that it is Invalid. */
function refuseUnfit({ namespace, name }: SeenRef, spec: ForwardSpec): void {
  const metadata = { namespace, name };
  const planned = planForward({ apiVersion: "fairlead.dev/v1alpha1", kind: "Forward", metadata, spec });
  if (planned.ok) return;
  const { field, message } = planned;
  // A spec of the API has no fields that are unknown, so what is at no place in it is its name.
  const path =
    field === undefined ? "ref.name" : `spec.${field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
  throw brokenRule(CreateForwardRequestSchema, { path, rule: "forward.possible", message });
}
