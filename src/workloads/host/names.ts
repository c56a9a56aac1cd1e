/** How things of peers are called at the host. Pure. */
import { createHash } from "node:crypto";
import type { Workload } from "../../kube/resources.ts";
import type { BroughtKind } from "./references.ts";

/** Whoever reads or writes these must use the constants: they are what ties objects to their peer. */
export const labels = {
  /** "fairlead" on everything that the agent made. */
  managedBy: "app.kubernetes.io/managed-by",
  /** Our name for the peer. */
  peer: "fairlead.dev/peer",
  /** On the peer's namespace: the first 63 of the 64 digits of its fingerprint, since a label's value has no room for more. */
  fingerprint: "fairlead.dev/peer-fingerprint",
  /** On a Deployment, its pods and its Service: the Workload's name, unique in its namespace. */
  workload: "fairlead.dev/workload",
  /** On a Secret or ConfigMap that an app brought along: the first 63 digits of the keyed hash of what it holds. */
  content: "fairlead.dev/content",
  podSecurity: "pod-security.kubernetes.io/enforce",
  /** Of Kubernetes, whose rules of that level count. */
  podSecurityVersion: "pod-security.kubernetes.io/enforce-version",
} as const;

export const annotations = {
  /** On a Workload: the hash of the wish that its spec was made from. */
  wishHash: "fairlead.dev/wish-hash",
  /** On a Deployment's pods: the hash of the template that they were made from, which tells new pods from old ones. */
  template: "fairlead.dev/template",
  /** On pods: the app's `restartedAt`. */
  restartedAt: "fairlead.dev/restarted-at",
  /** On a Job: which of the app's runs it is. */
  run: "fairlead.dev/run",
  /** On a Workload: how the run of its Job that was asked for last has ended, as JSON text. */
  finishedRun: "fairlead.dev/finished-run",
  /** On a Secret or ConfigMap that an app brought along: what its spec calls it. */
  contentOf: "fairlead.dev/content-of",
  /** On a Workload: since when its origin does not know it, RFC 3339. */
  orphanedSince: "fairlead.dev/orphaned-since",
  /** On a Workload: the decision about what was admitted, while `spec.decision` is about a change of it; see approval.ts. */
  decisionAside: "fairlead.dev/decision-of-running",
} as const;

/** The namespace of a peer's workloads. A peer's name has at most 48 characters, so this has at most 62. */
export function peerNamespace(peer: string): string {
  return `fairlead-peer-${peer}`;
}

export function fingerprintLabel(fingerprint: string): string {
  return fingerprint.slice(0, 63);
}

/**
 * The name of a Workload, its Deployment and its Service: readable at the front, unique by the hash at the end, and a DNS
 * label that begins with a letter, as a Service's must. At most 52 characters, which leaves room for what controllers append.
 */
export function objectName(origin: { namespace: string; name: string; uid: string }): string {
  return readableName(origin.name, [origin.namespace, origin.name, origin.uid]);
}

/**
 * The name of what outlasts a Workload, and of what finds it by its name: claims, and the StatefulSet whose pods have them. An app
 * that is deleted and deployed again by the same name has another UID, and its data.
 */
export function lastingName({ spec: { origin } }: Workload): string {
  const { namespace = "", name = "" } = origin ?? {};
  return readableName(name, [namespace, name]);
}

function readableName(name: string, of: readonly string[]): string {
  const hash = createHash("sha256").update(JSON.stringify(of)).digest("hex");
  const plain = name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const readable = (/^[a-z]/.test(plain) ? plain : `app-${plain}`).slice(0, 41).replace(/-+$/, "");
  return `${readable}-${hash.slice(0, 10)}`;
}

/** Of a claim that all pods of an app share. Those of a StatefulSet's pods are named by Kubernetes, see `claimOfPod`. */
export function claimName(workload: Workload, claim: string): string {
  return `${lastingName(workload)}-${claim}`;
}

/** Which of a StatefulSet's claims this is, by the claim's name; undefined for none of them. */
export function claimOfPod(workload: Workload, name: string): string | undefined {
  const end = new RegExp(`^(.+)-${lastingName(workload)}-[0-9]+$`).exec(name);
  return end?.[1];
}

/** On everything that is made for a Workload. */
export function labelsFor(workload: Workload): { [label: string]: string } {
  return {
    [labels.managedBy]: "fairlead",
    [labels.peer]: workload.spec.origin?.peer ?? "",
    ...selectorOf(workload),
  };
}

/** Of the pods of a Workload. */
export function selectorOf(workload: Workload): { [label: string]: string } {
  return { [labels.workload]: workload.metadata.name ?? "" };
}

/** An object's name has room for so much. */
const longestName = 253;

/**
 * What that which an app brings along is called here: two apps of one peer may bring the same names. A Workload's name has no
 * dot, so that no two of them ever give the same.
 */
export function nameOfBrought(workload: Workload, kind: BroughtKind, name: string): string {
  if (kind === "claim") return claimName(workload, name);
  const full = `${workload.metadata.name ?? ""}.${name}`;
  if (full.length <= longestName) return full;
  const hash = createHash("sha256").update(full).digest("hex").slice(0, 16);
  return `${full.slice(0, longestName - 17).replace(/[-.]+$/, "")}-${hash}`;
}
