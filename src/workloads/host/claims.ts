/** The claims in which an app keeps its data: made, grown and handed on, and never deleted by an edit. Pure. */
import type { AppClaim } from "../../gen/fairlead/resources/v1alpha1/app_config_pb.ts";
import { type Draft, isJsonObject, type JsonObject, type JsonValue } from "../../kube/object.ts";
import { type PersistentVolumeClaim, persistentVolumeClaims, type Workload } from "../../kube/resources.ts";
import { parseQuantity } from "../../policy/quantity.ts";
import { ownerOf } from "./manifests.ts";
import { claimName, claimOfPod, labels, labelsFor } from "./names.ts";
import type { Plan } from "./plan.ts";

/** Whether its data stay when the app is deleted. */
export function isKept({ whenDeleted }: Pick<AppClaim, "whenDeleted">): boolean {
  return whenDeleted === "Retain";
}

/** As Kubernetes wants it: it has no modes of its own. */
export function claimSpec({ spec = {} }: Pick<AppClaim, "spec">): JsonObject {
  return "accessModes" in spec ? spec : { accessModes: ["ReadWriteOnce"], ...spec };
}

/** One thing to be done about a claim, or why nothing of the app can be done before. */
export type ClaimStep =
  | { readonly do: "create"; readonly draft: Draft<PersistentVolumeClaim> }
  | { readonly do: "patch"; readonly found: PersistentVolumeClaim; readonly patch: JsonObject }
  | { readonly do: "wait"; readonly message: string };

export interface ClaimFacts {
  /** All that the agent has made here for peers' apps, of this peer. */
  readonly found: ReadonlyMap<string, PersistentVolumeClaim>;
  /** Whether there is a Workload of this name in the namespace. */
  isThere(workload: string): boolean;
}

export function claimSteps(workload: Workload, { app }: Plan, facts: ClaimFacts): ClaimStep[] {
  const steps = app.kind === "StatefulSet" ? stepsOfPods : stepsOfShared;
  return steps(workload, app.claims, facts);
}

function stepsOfShared(workload: Workload, claims: readonly AppClaim[], facts: ClaimFacts): ClaimStep[] {
  return claims.flatMap((claim): ClaimStep[] => {
    const name = claimName(workload, claim.name ?? "");
    const found = facts.found.get(name);
    return found ? stepsOf(workload, claim, found, facts) : [{ do: "create", draft: draftOf(workload, claim, name) }];
  });
}

/** Kubernetes makes them, by the StatefulSet's template; what was made by an earlier one is brought up to date. */
function stepsOfPods(workload: Workload, claims: readonly AppClaim[], facts: ClaimFacts): ClaimStep[] {
  return [...facts.found.values()].flatMap((found) => {
    const name = claimOfPod(workload, found.metadata.name ?? "");
    const claim = name === undefined ? undefined : claims.find((each) => each.name === name);
    return claim ? stepsOf(workload, claim, found, facts) : [];
  });
}

function draftOf(workload: Workload, claim: AppClaim, name: string): Draft<PersistentVolumeClaim> {
  const { namespace = "" } = workload.metadata;
  const metadata = { name, namespace, labels: labelsFor(workload), ownerReferences: ownersOf(workload, claim) };
  return { ...persistentVolumeClaims.parse({ spec: claimSpec(claim) }), metadata };
}

function ownersOf(workload: Workload, claim: AppClaim) {
  return isKept(claim) ? [] : [ownerOf(workload)];
}

function stepsOf(workload: Workload, claim: AppClaim, found: PersistentVolumeClaim, facts: ClaimFacts): ClaimStep[] {
  const { metadata } = found;
  if (metadata.deletionTimestamp) {
    return [{ do: "wait", message: `The claim ${claim.name} of an earlier app of this name is being deleted.` }];
  }
  const holder = metadata.labels?.[labels.workload];
  if (holder !== workload.metadata.name && holder !== undefined && facts.isThere(holder)) {
    const message = `The claim ${claim.name} is held by an earlier app of this name, which is still here; adopt that one or delete it.`;
    return [{ do: "wait", message }];
  }
  const patch = patchOf(workload, claim, found);
  return patch ? [{ do: "patch", found, patch }] : [];
}

/** Only ours among the owners is ours to change. */
function patchOf(workload: Workload, claim: AppClaim, found: PersistentVolumeClaim): JsonObject | undefined {
  const { uid = "", resourceVersion = "", labels: present = {}, ownerReferences = [] } = found.metadata;
  const wanted = labelsFor(workload);
  const isLabelled = Object.entries(wanted).every(([name, value]) => present[name] === value);
  const others = ownerReferences.filter(({ kind }) => kind !== "Workload");
  const mine = ownersOf(workload, claim);
  const uids = ownerReferences.filter(({ kind }) => kind === "Workload").map((owner) => owner.uid);
  const isOwned = JSON.stringify(uids) === JSON.stringify(mine.map((owner) => owner.uid));
  const size = sizeOf(claimSpec(claim).resources);
  const isGrown = isMore(size, found.spec?.resources?.requests?.storage);
  if (isLabelled && isOwned && !isGrown) return undefined;
  const owners: JsonValue = JSON.parse(JSON.stringify([...others, ...mine]));
  return {
    // With both a patch never lands on another object of the same name, nor on what nobody has looked at.
    metadata: { uid, resourceVersion, labels: wanted, ...(isOwned ? {} : { ownerReferences: owners }) },
    ...(isGrown && size !== undefined ? { spec: { resources: { requests: { storage: size } } } } : {}),
  };
}

/** What a claim asks for, as it is written. */
export function sizeOf(resources: JsonValue | undefined): string | number | undefined {
  const requests = isJsonObject(resources) ? resources.requests : undefined;
  const storage = isJsonObject(requests) ? requests.storage : undefined;
  return typeof storage === "string" || typeof storage === "number" ? storage : undefined;
}

/** Whether the one is a greater amount than the other. */
export function isMore(one: string | number | undefined, other: string | number | undefined): boolean {
  const [a, b] = [one, other].map((size) => (size === undefined ? undefined : parseQuantity(size)));
  return a !== undefined && b !== undefined && a > b;
}
