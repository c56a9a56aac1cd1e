/** The origin's side: the log of an app that runs at a peer, as it comes. */
import { createClient, type Transport } from "@connectrpc/connect";
import { PodNotice_Kind, PodService } from "../gen/fairlead/peer/v1/pods_pb.ts";

export interface LogRequest {
  readonly follow: boolean;
  readonly previous: boolean;
  /** Begin each line with its time. */
  readonly timestamps: boolean;
  /** Of each pod that is there at the beginning; all that is kept unless given. */
  readonly tailLines?: number | undefined;
  readonly sinceSeconds?: number | undefined;
  /** Only this pod. */
  readonly pod?: string | undefined;
}

export type LogEvent =
  | { readonly kind: "line"; readonly pod: string; readonly line: string }
  /** Why a pod's lines begin, end or are missing. */
  | {
      readonly kind: "notice";
      readonly pod: string;
      readonly notice: "joined" | "waiting" | "ended" | "failed";
      readonly message: string;
    };

const notices = {
  [PodNotice_Kind.UNSPECIFIED]: undefined,
  [PodNotice_Kind.JOINED]: "joined",
  [PodNotice_Kind.WAITING]: "waiting",
  [PodNotice_Kind.ENDED]: "ended",
  [PodNotice_Kind.FAILED]: "failed",
} as const;

/** Ends when the host says so; throws a ConnectError when the host refuses, or the link is lost. */
export async function* followLogs(
  transport: Transport,
  app: { namespace: string; name: string },
  request: LogRequest,
  signal: AbortSignal,
): AsyncGenerator<LogEvent, void, undefined> {
  const { follow, previous, timestamps, tailLines, sinceSeconds, pod } = request;
  const message = {
    namespace: app.namespace,
    name: app.name,
    follow,
    previous,
    timestamps,
    pod: pod ?? "",
    ...(tailLines !== undefined && { tailLines }),
    ...(sinceSeconds !== undefined && { sinceSeconds }),
  };
  const decoder = new TextDecoder();
  for await (const { event } of createClient(PodService, transport).logs(message, { signal })) {
    if (event.case === "lines") {
      for (const line of event.value.lines) yield { kind: "line", pod: event.value.pod, line: decoder.decode(line) };
    } else if (event.case === "notice") {
      const notice = notices[event.value.kind];
      if (notice) yield { kind: "notice", pod: event.value.pod, notice, message: event.value.message };
    }
  }
}
