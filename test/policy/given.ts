/** What tests of policies are about: policies and apps as people write them. */
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { type PeerPolicy, peerPolicies } from "../../src/kube/resources.ts";
import { type AdmissionContext, admit, type Verdict } from "../../src/policy/admission.ts";
import { demandOf } from "../../src/policy/demand.ts";
import { type EffectivePolicy, effectivePolicy } from "../../src/policy/effective.ts";
import { parseQuantity } from "../../src/policy/quantity.ts";
import { hashSpec } from "../../src/policy/spec-hash.ts";
import type { Usage } from "../../src/policy/usage.ts";

/** Made at that second of 2026. */
export function policyNamed(name: string, spec: JsonObject, second = 0): PeerPolicy {
  const creationTimestamp = new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString().replace(".000", "");
  return peerPolicies.parse({
    metadata: { name, namespace: "fairlead", uid: name, creationTimestamp, generation: 1 },
    spec,
  });
}

/** What counts for the peer `tokyo` when this is the only policy. Accepts unless said. */
export function policyOf(
  spec: {
    workloads?: JsonObject;
    tunnels?: JsonObject;
    pods?: JsonObject;
    relay?: JsonObject;
    images?: JsonObject;
  } = {},
): EffectivePolicy {
  const workloads = { accept: true, ...spec.workloads };
  return effectivePolicy([policyNamed("house", { ...spec, workloads })], { name: "tokyo", labels: {} });
}

export function appOf(json: JsonObject = {}): RemoteAppSpec {
  const spec: JsonValue = { image: "web:1", ...json };
  return fromJson(RemoteAppSpecSchema, spec);
}

/** What may be given beside the app; of what runs, its spec. */
export type Given = Partial<Omit<AdmissionContext, "running">> & { running?: RemoteAppSpec | undefined };

/** Asks for the app, as the peer `tokyo` with the grant, at the start of 2026, with nothing else running unless said. */
export function ask(app: RemoteAppSpec, { running, ...given }: Given = {}): Verdict {
  const policy = given.policy ?? policyOf();
  return admit(
    { app, demand: demandOf(app, policy) },
    {
      peer: "tokyo",
      grants: ["apps"],
      policy,
      usage: { apps: 0, amounts: new Map() },
      totalUsage: { apps: 0, amounts: new Map() },
      knownImages: new Set(),
      hasImageDoor: true,
      hash: hashSpec(app),
      running: running && { app: running, hash: hashSpec(running) },
      now: Date.UTC(2026, 0, 1),
      ...given,
    },
  );
}

/** Decision and rules in one text, such as "deny quota/pods pod/max". */
export function summary({ decision, findings }: Verdict): string {
  return [decision, ...findings.map(({ rule }) => rule)].join(" ");
}

/** What other apps ask for. */
export function others(apps: number, amounts: Record<string, string | number> = {}): Usage {
  const entries = Object.entries(amounts);
  return { apps, amounts: new Map(entries.map(([name, value]) => [name, parseQuantity(value) ?? 0n])) };
}

export function sized(limits: JsonObject, requests: JsonObject = {}, replicas = 1): RemoteAppSpec {
  return appOf({ replicas, resources: { limits, requests } });
}
