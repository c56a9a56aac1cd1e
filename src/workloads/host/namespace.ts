/**
 * The namespace of a peer's workloads: made with the peer's mark and the Pod Security level of its policy, and used only
 * while it carries that mark and what guards it is in place. A namespace of that name which somebody else made is never
 * taken over.
 */
import type { Clock } from "../../base/clock.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists } from "../../kube/errors.ts";
import { type Namespace, namespaces } from "../../kube/resources.ts";
import type { GuardPolicies, Guards } from "./guards.ts";
import { fingerprintLabel, labels, peerNamespace } from "./names.ts";
import { noPeer } from "./status.ts";
import type { TenantRights } from "./tenant-rights.ts";

export interface Tenant {
  /** Our name for the peer. */
  readonly peer: string;
  readonly fingerprint: string;
}

export type Claim = { ok: true; namespace: string } | { ok: false; reason: string; message: string };

export interface PeerNamespaces {
  /**
   * Makes sure that the peer's namespace is there, is the peer's, lets the agent work in it, and is guarded as the policy of
   * now says. Rejects on trouble that may pass.
   */
  claim(tenant: Tenant, signal: AbortSignal): Promise<Claim>;
  /** The next `claim` looks again; call it when a write says that the namespace is missing, and when it was changed. */
  doubt(peer: string): void;
}

/** For how long a namespace that was found right is not looked at again, in milliseconds. */
const trustMs = 60_000;

export function createPeerNamespaces(deps: {
  client: Pick<KubeClient, "get" | "create" | "mergePatch">;
  rights: TenantRights;
  guards: Pick<Guards, "keep">;
  policies: GuardPolicies;
  clock: Clock;
}): PeerNamespaces {
  const { client, rights, guards, policies, clock } = deps;
  /** By peer; bounded by the roster. `until` is on the monotonic clock. */
  const trusted = new Map<string, { fingerprint: string; level: string; until: number }>();

  async function look(tenant: Tenant, level: string, signal: AbortSignal): Promise<Claim> {
    const name = peerNamespace(tenant.peer);
    const found = (await client.get(namespaces, { name }, signal)) ?? (await make(tenant, level, signal));
    const verdict = judge(found, tenant);
    if (!verdict.ok) return verdict;
    if (!hasLevel(found, level)) {
      await client.mergePatch(namespaces, { name }, { metadata: { labels: levelLabels(level) } }, signal);
    }
    const problem = await rights.ensure(name, signal);
    return problem === undefined ? verdict : { ok: false, reason: "NotPermitted", message: problem };
  }

  async function make(tenant: Tenant, level: string, signal: AbortSignal): Promise<Namespace> {
    const metadata = { name: peerNamespace(tenant.peer), labels: { ...marksOf(tenant), ...levelLabels(level) } };
    try {
      return await client.create(namespaces, { metadata }, signal);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const found = await client.get(namespaces, { name: metadata.name }, signal);
      if (!found) throw error;
      return found;
    }
  }

  function isTrusted(tenant: Tenant, level: string): boolean {
    const known = trusted.get(tenant.peer);
    return known?.fingerprint === tenant.fingerprint && known.level === level && clock.monotonic() < known.until;
  }

  return {
    async claim(tenant, signal) {
      const namespace = peerNamespace(tenant.peer);
      await policies.synced(signal);
      const level = policies.of(tenant.fingerprint)?.podSecurity;
      // What a peer left here when it was removed stays as it is.
      if (level === undefined)
        return { ok: false, reason: noPeer, message: `${tenant.peer} is no peer of this agent now` };
      if (!isTrusted(tenant, level)) {
        trusted.delete(tenant.peer);
        const claim = await look(tenant, level, signal);
        if (!claim.ok) return claim;
        trusted.set(tenant.peer, { fingerprint: tenant.fingerprint, level, until: clock.monotonic() + trustMs });
      }
      const problem = await guards.keep({ ...tenant, namespace }, signal);
      return problem === undefined ? { ok: true, namespace } : { ok: false, reason: "NotGuarded", message: problem };
    },
    doubt: (peer) => void trusted.delete(peer),
  };
}

function levelLabels(level: string): { [label: string]: string } {
  // Without a version somebody could let the rules of an older one count.
  return { [labels.podSecurity]: level, [labels.podSecurityVersion]: "latest" };
}

function hasLevel(found: Namespace, level: string): boolean {
  return Object.entries(levelLabels(level)).every(([label, value]) => found.metadata.labels?.[label] === value);
}

function marksOf({ peer, fingerprint }: Tenant): { [label: string]: string } {
  return {
    [labels.managedBy]: "fairlead",
    [labels.peer]: peer,
    [labels.fingerprint]: fingerprintLabel(fingerprint),
  };
}

function judge(found: Namespace, tenant: Tenant): Claim {
  const name = found.metadata.name ?? "";
  const mark = found.metadata.labels?.[labels.fingerprint];
  if (mark === fingerprintLabel(tenant.fingerprint)) return { ok: true, namespace: name };
  const whose = mark === undefined ? "was not made for a peer" : "belongs to another peer, by its fingerprint";
  const message =
    `the namespace ${name} exists at the host and ${whose}, so nothing of ${tenant.peer} runs in it; ` +
    `the operator of the host can remove it: kubectl delete namespace ${name}`;
  return { ok: false, reason: "NamespaceTaken", message };
}
