/** An app as a line of a list shows it. Pure. */
import { readyOf } from "../../../src/client/app-ready.ts";
import type { App } from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { type Tone, toneOfPhase } from "./tone.ts";

export interface AppRow {
  /** "namespace/name". */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly phase: string;
  readonly tone: Tone;
  /** Why it is so, in a sentence; empty when nothing is wrong. */
  readonly cause: string;
  /** "2/3": pods that are ready, of those wished for. */
  readonly ready: string;
  readonly peers: readonly string[];
  readonly image: string;
  readonly createdAt: string;
  /** Since when nothing is heard of it, though it may run; empty while it is heard of. */
  readonly unknownSince: string;
  /** What a filter's words are looked for in, in small letters. */
  readonly text: string;
  readonly app: App;
}

export function toAppRow(app: App): AppRow {
  const { metadata, spec, status } = app;
  const { namespace = "", name = "", createdAt = "", deletedAt = "" } = metadata ?? {};
  const phase = deletedAt !== "" ? "Deleting" : (status?.phase ?? "Pending");
  const tone = toneOfPhase(phase);
  const peers = peersOf(app);
  const image = spec?.image ?? "";
  const cause = tone === "ok" ? "" : causeOf(app);
  return {
    ...{ key: `${namespace}/${name}`, namespace, name, phase, tone, cause, peers, image, createdAt, app },
    ready: readyOf(app),
    unknownSince: status?.unknownSince ?? "",
    text: `${namespace}/${name} ${phase} ${peers.join(" ")} ${image} ${cause}`.toLowerCase(),
  };
}

/** Where it runs or is to run. */
function peersOf({ spec, status }: App): string[] {
  const told = (status?.peers ?? []).flatMap(({ peer }) => peer ?? []);
  if (told.length > 0) return told;
  const one = status?.peer ?? spec?.peer;
  return one === undefined || one === "" ? [] : [one];
}

/** The reason as it is told, and the first pod that says more. */
function causeOf({ status }: App): string {
  const { reason = "", message = "" } = status ?? {};
  const told = [reason === status?.phase ? "" : reason, message].filter((part) => part !== "");
  const pod = status?.pods.find(({ ready, reason: why }) => ready === false && why !== undefined && why !== "");
  const why = pod?.reason ?? "";
  if (why !== "" && !told.join(" ").includes(why)) {
    const exit = pod?.exitCode === undefined ? "" : `, exit ${pod.exitCode}`;
    told.push(`${pod?.name ?? "a pod"}: ${why}${exit}`);
  }
  return told.join(": ");
}
