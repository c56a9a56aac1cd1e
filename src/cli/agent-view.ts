/** How an agent itself looks on a terminal. Pure. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { Component, GetInfoResponse, LogLine, PeerVersion } from "../gen/fairlead/console/v1/agent_service_pb.ts";
import { PeerVersion_Skew as Skew } from "../gen/fairlead/console/v1/agent_service_pb.ts";
import { factLines } from "./app-detail.ts";
import type { View } from "./output.ts";
import { formatAge, harmless, plain, sinceOf, type Tone } from "./table.ts";

/** "Kubernetes v1.34.4", or that it stands in none. */
export function placeOf({ kubernetesVersion }: Pick<GetInfoResponse, "kubernetesVersion">): string {
  return kubernetesVersion === "" ? "no cluster" : `Kubernetes ${kubernetesVersion}`;
}

export function infoView(now: number): View<GetInfoResponse> {
  return {
    name: ({ name }) => `agent/${name}`,
    columns: [
      { head: "NAME", cell: ({ name }) => name },
      { head: "VERSION", cell: ({ version }) => version },
      { head: "ON", cell: placeOf },
      { head: "UP", cell: ({ startedAt }) => sinceOf(startedAt, now) },
      { head: "PEERS", cell: ({ peers, peersConnected }) => `${peersConnected}/${peers}` },
      { head: "APPS", cell: ({ apps, appsReady }) => `${appsReady}/${apps}` },
      { head: "WORKLOADS", cell: ({ workloads }) => String(workloads) },
      { head: "URL", cell: ({ url }) => url, wide: true },
      { head: "FINGERPRINT", cell: ({ fingerprint }) => fingerprint, wide: true },
    ],
    json: ({ $typeName: _type, $unknown: _unknown, ...info }) => info,
    empty: "",
    detail: (info) =>
      factLines([
        ["Fingerprint", info.fingerprint],
        ["Peers dial", info.url || "nothing: it only dials out"],
        ["Namespace", info.namespace],
        ["This process", info.instance],
      ]),
  };
}

export const componentView: View<Component> = {
  name: ({ name }) => `component/${name}`,
  columns: [
    { head: "NAME", cell: ({ name }) => name },
    { head: "IS", cell: ({ ok }) => (ok ? "well" : "ill"), tone: ({ ok }): Tone => (ok ? "good" : "bad") },
    {
      head: "OLDEST-WORK",
      cell: ({ oldestWorkMs }) => (oldestWorkMs === undefined ? "" : formatAge(Number(oldestWorkMs))),
    },
    { head: "PROBLEM", cell: ({ problem }) => problem },
  ],
  json: ({ name, ok, problem, oldestWorkMs, limitMs }) => ({
    ...{ name, ok },
    ...(problem && { problem }),
    ...(oldestWorkMs !== undefined && { oldestWorkMs: Number(oldestWorkMs) }),
    ...(limitMs !== undefined && { limitMs: Number(limitMs) }),
  }),
  empty: "The agent tells of no part of itself.",
};

const skews: Readonly<Partial<Record<Skew, string>>> = { [Skew.NONE]: "None", [Skew.NEAR]: "Near", [Skew.FAR]: "Far" };

export const versionView: View<PeerVersion> = {
  name: ({ peer }) => `peer.fairlead.dev/${peer}`,
  columns: [
    { head: "PEER", cell: ({ peer }) => peer },
    { head: "VERSION", cell: ({ version }) => version },
    { head: "SKEW", cell: skewOf, tone: ({ skew }) => (skew === Skew.FAR ? "bad" : undefined) },
    { head: "MEANS", cell: ({ summary }) => summary },
    { head: "REMEDY", cell: ({ remedy }) => remedy, wide: true },
  ],
  json: (one) => ({
    peer: one.peer,
    version: one.version,
    skew: skewOf(one),
    summary: one.summary,
    remedy: one.remedy,
  }),
  empty: "No peers.",
};

function skewOf({ skew }: PeerVersion): string {
  return skews[skew] ?? "Unknown";
}

/** As one harmless line: "2026-11-22T10:00:00.000Z warn the link is gone peer=berlin". */
export function logText({ at, level, message, fields }: LogLine): string {
  const more = Object.entries(fieldsOf(fields)).map(
    ([name, value]) =>
      `${name}=${typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)}`,
  );
  return plain(harmless([at, level.padEnd(5), message, ...more].join(" ")));
}

export function logJson({ sequence, at, level, message, fields }: LogLine): JsonObject {
  return { sequence: Number(sequence), at, level, message, fields: fieldsOf(fields) };
}

function fieldsOf(text: string): JsonObject {
  const fields: unknown = JSON.parse(text || "{}");
  return isObject(fields) ? fields : {};
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
