/**
 * The namespace of a peer's workloads: made with the peer's mark, and used only while it carries that mark. A namespace of
 * that name which somebody else made is never taken over.
 */
import type { Clock } from "../../base/clock.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists } from "../../kube/errors.ts";
import { type Namespace, namespaces } from "../../kube/resources.ts";
import { fingerprintLabel, labels, peerNamespace } from "./names.ts";
import type { TenantRights } from "./tenant-rights.ts";

export interface Tenant {
  /** Our name for the peer. */
  readonly peer: string;
  readonly fingerprint: string;
}

export type Claim = { ok: true; namespace: string } | { ok: false; reason: string; message: string };

export interface PeerNamespaces {
  /** Makes sure that the peer's namespace is there, is the peer's, and lets the agent work in it. Rejects on trouble that may pass. */
  claim(tenant: Tenant, signal: AbortSignal): Promise<Claim>;
  /** The next `claim` looks again; call it when a write says that the namespace is missing. */
  doubt(peer: string): void;
}

/** For how long a namespace that was found right is not looked at again, in milliseconds. */
const trustMs = 60_000;

export function createPeerNamespaces(deps: {
  client: Pick<KubeClient, "get" | "create" | "mergePatch">;
  rights: TenantRights;
  clock: Clock;
}): PeerNamespaces {
  const { client, rights, clock } = deps;
  /** By peer; bounded by the roster. `until` is on the monotonic clock. */
  const trusted = new Map<string, { fingerprint: string; until: number }>();

  async function look(tenant: Tenant, signal: AbortSignal): Promise<Claim> {
    const name = peerNamespace(tenant.peer);
    const found = (await client.get(namespaces, { name }, signal)) ?? (await make(tenant, signal));
    const verdict = judge(found, tenant);
    if (!verdict.ok) return verdict;
    if (found.metadata.labels?.[labels.podSecurity] !== podSecurityLevel) {
      const patch = { metadata: { labels: { [labels.podSecurity]: podSecurityLevel } } };
      await client.mergePatch(namespaces, { name }, patch, signal);
    }
    const problem = await rights.ensure(name, signal);
    return problem === undefined ? verdict : { ok: false, reason: "NotPermitted", message: problem };
  }

  async function make(tenant: Tenant, signal: AbortSignal): Promise<Namespace> {
    const metadata = { name: peerNamespace(tenant.peer), labels: labelsFor(tenant) };
    try {
      return await client.create(namespaces, { metadata }, signal);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const found = await client.get(namespaces, { name: metadata.name }, signal);
      if (!found) throw error;
      return found;
    }
  }

  return {
    async claim(tenant, signal) {
      const known = trusted.get(tenant.peer);
      if (known?.fingerprint === tenant.fingerprint && clock.monotonic() < known.until) {
        return { ok: true, namespace: peerNamespace(tenant.peer) };
      }
      const claim = await look(tenant, signal);
      if (claim.ok) trusted.set(tenant.peer, { fingerprint: tenant.fingerprint, until: clock.monotonic() + trustMs });
      else trusted.delete(tenant.peer);
      return claim;
    },
    doubt: (peer) => void trusted.delete(peer),
  };
}

/** Pod Security Standards: no host namespaces, no privileged containers. A PeerPolicy will be able to say "restricted". */
const podSecurityLevel = "baseline";

function labelsFor({ peer, fingerprint }: Tenant): { [label: string]: string } {
  return {
    [labels.managedBy]: "fairlead",
    [labels.peer]: peer,
    [labels.fingerprint]: fingerprintLabel(fingerprint),
    [labels.podSecurity]: podSecurityLevel,
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
