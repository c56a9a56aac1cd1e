/** What a Peer says, as a record of the roster, and back. Pure. */
import { X509Certificate } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import {
  type PeerSpec,
  PeerSpecSchema,
  type TunnelDecision as TunnelDecisionResource,
  TunnelDecisionSchema,
} from "../gen/fairlead/resources/v1alpha1/peer_pb.ts";
import { fingerprintOf, isFingerprint } from "../identity/fingerprint.ts";
import type { Peer as PeerResource } from "../kube/resources.ts";
import { readTime } from "../kube/time.ts";
import { PeeringError } from "./error.ts";
import type { GrantTimes } from "./grants.ts";
import type { PeerRecord, Removal, StoredPeer, TunnelDecision } from "./peer.ts";

/** As it is stored. */
export function toSpec({ peer, removal }: PeerRecord): PeerSpec {
  const { rootCaPem, insecure } = peer.outerTls ?? {};
  return create(PeerSpecSchema, {
    fingerprint: peer.fingerprint,
    caCertificate: peer.caPem,
    ...(peer.url !== undefined && { url: peer.url }),
    relays: [...(peer.relays ?? [])],
    grants: [...peer.grants],
    ...(peer.outerTls && {
      outerTls: {
        ...(rootCaPem !== undefined && { caBundle: rootCaPem }),
        ...(insecure !== undefined && { insecure }),
      },
    }),
    grantsUntil: Object.fromEntries(
      Object.entries(peer.grantsUntil ?? {}).map(([grant, until]) => [grant, new Date(until).toISOString()]),
    ),
    tunnelDecisions: (peer.tunnelDecisions ?? []).map(toDecisionResource),
    ...(removal && {
      removal: {
        at: new Date(removal.at).toISOString(),
        workloads: removal.workloads,
        forced: removal.forced,
      },
    }),
  });
}

/**
 * What counts of the resource, and remarks on what in it does not. Throws when it must not be acted on at all. A grant or
 * an approval of which nobody can say until when it counts does not count.
 */
export function toStored(resource: PeerResource): { stored: StoredPeer; remarks: string[] } {
  const { metadata, spec, status, problems } = resource;
  const name = metadata.name ?? "";
  if (problems) {
    throw unusable(name, `it has what this version does not understand (${problems.slice(0, 3).join("; ")})`);
  }
  const { fingerprint = "", caCertificate = "", url, outerTls } = spec;
  if (!isFingerprint(fingerprint)) throw unusable(name, "its spec.fingerprint is no fingerprint");
  if (fingerprintOfPem(caCertificate) !== fingerprint) {
    throw unusable(name, "its spec.caCertificate does not have the fingerprint in spec.fingerprint");
  }
  const remarks: string[] = [];
  const grantsUntil = readGrantTimes(spec.grantsUntil, remarks);
  const tunnelDecisions = spec.tunnelDecisions.flatMap((decision) => readDecision(decision, remarks));
  const stored: StoredPeer = {
    peer: {
      name,
      fingerprint,
      caPem: caCertificate,
      ...(url !== undefined && { url }),
      ...(spec.relays.length > 0 && { relays: [...spec.relays] }),
      ...(outerTls && {
        outerTls: {
          ...(outerTls.caBundle !== undefined && { rootCaPem: outerTls.caBundle }),
          ...(outerTls.insecure !== undefined && { insecure: outerTls.insecure }),
        },
      }),
      labels: { ...metadata.labels },
      grants: [...spec.grants],
      ...(grantsUntil && { grantsUntil }),
      ...(tunnelDecisions.length > 0 && { tunnelDecisions }),
    },
    ...(spec.removal && { removal: toRemoval(spec.removal) }),
    version: metadata.resourceVersion ?? "",
    generation: metadata.generation ?? 0,
    ...(status?.words !== undefined && { words: status.words }),
    ...(Object.keys(status?.facts ?? {}).length > 0 && {
      facts: { ...status?.facts, ...(status?.version !== undefined && { version: status.version }) },
    }),
  };
  return { stored, remarks };
}

/** A time that is none has passed: whoever wrote it wanted an end. */
function readGrantTimes(texts: Readonly<Record<string, string>>, remarks: string[]): GrantTimes | undefined {
  const entries = Object.entries(texts).map(([grant, text]) => {
    const until = readTime(text);
    if (until === undefined) remarks.push(`spec.grantsUntil.${grant} is no time, so that this grant does not count`);
    return [grant, until ?? 0] as const;
  });
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function readDecision(resource: TunnelDecisionResource, remarks: string[]): TunnelDecision[] {
  const { target = "", verdict, by, at = "", message, until } = resource;
  if (target === "" || (verdict !== "Approved" && verdict !== "Denied")) {
    remarks.push("an entry of spec.tunnelDecisions has no target or no verdict, so that it does not count");
    return [];
  }
  const end = until === undefined ? undefined : readTime(until);
  if (until !== undefined && end === undefined) {
    remarks.push(`the decision about ${target} ends at what is no time, so that it does not count as an approval`);
    if (verdict === "Approved") return [];
  }
  return [
    {
      target,
      verdict,
      at: readTime(at) ?? 0,
      ...(by !== undefined && { by }),
      ...(message !== undefined && { message }),
      ...(end !== undefined && { until: end }),
    },
  ];
}

function toDecisionResource({ target, verdict, by, at, message, until }: TunnelDecision): TunnelDecisionResource {
  return create(TunnelDecisionSchema, {
    target,
    verdict,
    at: new Date(at).toISOString(),
    ...(by !== undefined && { by }),
    ...(message !== undefined && { message }),
    ...(until !== undefined && { until: new Date(until).toISOString() }),
  });
}

function toRemoval(removal: NonNullable<PeerSpec["removal"]>): Removal {
  const at = Date.parse(removal.at ?? "");
  return {
    at: Number.isNaN(at) ? 0 : at,
    workloads: removal.workloads === "Delete" ? "Delete" : "Keep",
    forced: removal.forced ?? false,
  };
}

function fingerprintOfPem(pem: string): string | undefined {
  try {
    return fingerprintOf(new X509Certificate(pem).publicKey);
  } catch {
    return undefined;
  }
}

function unusable(name: string, why: string): PeeringError {
  return new PeeringError("precondition", `The Peer "${name}" cannot be used: ${why}. Mend or delete it with kubectl.`);
}
