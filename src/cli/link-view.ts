/** A peer and the way to it as they are at this moment, on a terminal. Pure. */
import { type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import {
  type Link,
  LinkSchema,
  type LinkTotals,
  type PastCarrier,
  type StreamClasses,
} from "../gen/fairlead/console/v1/link_service_pb.ts";
import type { Peer } from "../gen/fairlead/console/v1/peer_service_pb.ts";
import { factLines } from "./app-detail.ts";
import type { View } from "./output.ts";
import { type Column, formatAge, formatBytes, sinceOf, type Tone } from "./table.ts";
import { peerView } from "./views.ts";

/** What the operator says of a peer, and its link. An agent of an earlier version does not tell the link. */
export interface LinkedPeer {
  readonly peer: Peer;
  readonly link: Link | undefined;
}

/** `now` is in milliseconds since 1970. */
export function linkView(now: number): View<LinkedPeer> {
  const whole = peerView(now);
  const ofPeer = (name: string): Column<LinkedPeer>[] =>
    whole.columns
      .filter(({ head }) => head === name)
      .map(({ head, cell, wide = false }) => ({ head, wide, cell: ({ peer }) => cell(peer) }));
  const state = ({ peer, link }: LinkedPeer): string => link?.state ?? peer.status?.link?.state ?? "Unknown";
  return {
    name: ({ peer }) => whole.name(peer),
    columns: [
      ...ofPeer("NAME"),
      { head: "LINK", cell: state, tone: (row) => tones[state(row)] ?? "bad" },
      { head: "SINCE", cell: ({ peer, link }) => sinceOf(link?.since ?? peer.status?.link?.since, now) },
      { head: "PATH", cell: ({ peer, link }) => link?.path ?? peer.status?.link?.path ?? "" },
      { head: "ROUND-TRIP", cell: ({ link }) => milliseconds(link?.roundTripMs) },
      { head: "STREAMS", cell: ({ link }) => (link?.streams ? String(sumOf(link.streams)) : "") },
      { head: "IN", cell: ({ link }) => bytes(link?.totals?.bytesIn) },
      { head: "OUT", cell: ({ link }) => bytes(link?.totals?.bytesOut) },
      { head: "RESUMES", cell: ({ link }) => String(link?.totals?.resumes ?? "") },
      ...ofPeer("VERSION"),
      ...ofPeer("GRANTS"),
      ...ofPeer("AGE"),
      { head: "CONTROL/INTERACTIVE/NORMAL/BULK", cell: ({ link }) => classes(link?.streams), wide: true },
      { head: "CARRIERS", cell: ({ link }) => String(link?.totals?.carriers ?? ""), wide: true },
      { head: "STALLS", cell: ({ link }) => String(link?.totals?.creditStalls ?? ""), wide: true },
      { head: "LAST-BREAK", cell: ({ link }) => lastBreak(link, now), wide: true },
      { head: "ADDRESS", cell: ({ link }) => link?.remoteAddress ?? "", wide: true },
      ...ofPeer("URL"),
      ...ofPeer("FINGERPRINT"),
      { head: "MESSAGE", cell: ({ peer, link }) => link?.message ?? peer.status?.link?.message ?? "", wide: true },
    ],
    json: ({ peer, link }) => ({ ...object(whole.json(peer)), ...(link && { link: linkJson(link) }) }),
    empty: whole.empty,
    detail: ({ peer, link }) => [link && linkDetail(link, now), whole.detail?.(peer)].filter(Boolean).join("\n\n"),
  };
}

const tones: Readonly<Record<string, Tone>> = { Connected: "good", Connecting: "waiting" };

/** The link in words. */
function linkDetail(link: Link, now: number): string {
  const { totals, streams, path, remoteAddress } = link;
  const opened = totals && `${totals.streamsOpened} opened here, ${totals.streamsAccepted} there`;
  return factLines([
    [
      "Link",
      `${link.state} for ${sinceOf(link.since, now)}${path && `, ${path}`}${remoteAddress && `, ${remoteAddress}`}`,
    ],
    ["Round trip", milliseconds(link.roundTripMs)],
    ["Streams", [streams && streamTexts(streams), opened].filter(Boolean).join("; ")],
    ["Moved", totals && `${bytes(totals.bytesIn)} in, ${bytes(totals.bytesOut)} out`],
    ["No credit", totals && totals.creditStalls > 0n ? `${totals.creditStalls} times` : ""],
    ["Reset here", counts(totals?.resetsSent)],
    ["Reset there", counts(totals?.resetsReceived)],
    ["Lost with a link", counts(totals?.streamsLost)],
    ["Dials that failed", counts(totals?.dialFailures)],
    ["Held", heldTexts(link)],
    ["Stood", totals && stoodTexts(totals)],
    ...link.pastCarriers.slice(0, 5).map((past, index) => [index === 0 ? "Ended before" : " ", pastText(past, now)]),
  ]);
}

/** Bytes of which somebody waits for somebody; empty while nobody does. */
function heldTexts(link: Link): string {
  return [
    link.heldBytes > 0n && `${bytes(link.heldBytes)} came and are not read`,
    link.slowReaders > 0 && `${link.slowReaders} slow readers`,
    link.replayBytes > 0n && `${bytes(link.replayBytes)} sent and not acknowledged`,
    link.waitingBytes > 0n && `${bytes(link.waitingBytes)} wait for the connection`,
  ]
    .filter(Boolean)
    .join(", ");
}

function stoodTexts({ links, carriers, resumes }: LinkTotals): string {
  const of = (count: bigint, what: string): string => `${count} ${what}${count === 1n ? "" : "s"}`;
  return `${of(links, "link")} on ${of(carriers, "connection")}, went on at another ${of(resumes, "time")}`;
}

function pastText({ at, ageMs, silentMs = 0n, reason, by, message }: PastCarrier, now: number): string {
  const who = by === "network" ? "" : by === "us" ? "by this agent, " : "by the peer, ";
  // Less than this is the usual pause between two words.
  const silence = silentMs >= 5_000n ? `, silent for ${formatAge(Number(silentMs))}` : "";
  return `${sinceOf(at, now)} ago after ${formatAge(Number(ageMs))}${silence}: ${who}${reason}${message && `: ${message}`}`;
}

/** Ends that nobody wanted: connections that were lost, fell silent or got stuck. */
function isBreak({ by, reason }: PastCarrier): boolean {
  return by === "network" || ["SILENT", "STALLED", "CARRIER_LOST", "SESSION_LOST"].includes(reason);
}

function lastBreak(link: Link | undefined, now: number): string {
  const last = link?.pastCarriers.find(isBreak);
  return last ? `${sinceOf(last.at, now)} ago, ${last.reason}` : "";
}

function milliseconds(ms: number | undefined): string {
  return ms === undefined ? "" : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

function bytes(count: bigint | undefined): string {
  return count === undefined ? "" : formatBytes(Number(count));
}

const classNames = ["control", "interactive", "normal", "bulk"] as const;

function sumOf(streams: StreamClasses): number {
  return classNames.reduce((sum, name) => sum + streams[name], 0);
}

function classes(streams: StreamClasses | undefined): string {
  return streams ? classNames.map((name) => streams[name]).join("/") : "";
}

function streamTexts(streams: StreamClasses): string {
  const texts = classNames.filter((name) => streams[name] > 0).map((name) => `${streams[name]} ${name}`);
  return texts.length > 0 ? `${texts.join(", ")} open` : "none open";
}

function counts(of: Readonly<Record<string, bigint>> | undefined): string {
  return Object.entries(of ?? {})
    .map(([reason, count]) => `${count} ${reason}`)
    .join(", ");
}

/** 64-bit numbers are texts in protobuf's JSON; here none is larger than a number can be. */
function linkJson(link: Link): JsonObject {
  const json = object(toJson(LinkSchema, link, { alwaysEmitImplicit: true }));
  return {
    ...json,
    waitingBytes: Number(link.waitingBytes),
    replayBytes: Number(link.replayBytes),
    heldBytes: Number(link.heldBytes),
    promisedBytes: Number(link.promisedBytes),
    totals: Object.fromEntries(Object.entries(object(json.totals)).map(([name, value]) => [name, numbered(value)])),
    pastCarriers: link.pastCarriers.map(({ at, ageMs, silentMs, reason, by, message }) => ({
      at,
      ageMs: Number(ageMs),
      ...(silentMs !== undefined && { silentMs: Number(silentMs) }),
      reason,
      by,
      message,
    })),
  };
}

function numbered(value: JsonValue): JsonValue {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return Number(value);
  return Object.fromEntries(Object.entries(value).map(([name, count]) => [name, Number(count)]));
}

function object(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}
