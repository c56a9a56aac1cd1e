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

type Notice = (LogEvent & { kind: "notice" })["notice"];

const notices: ReadonlyMap<PodNotice_Kind, Notice> = new Map([
  [PodNotice_Kind.JOINED, "joined"],
  [PodNotice_Kind.WAITING, "waiting"],
  [PodNotice_Kind.ENDED, "ended"],
  [PodNotice_Kind.FAILED, "failed"],
]);

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
  // Who leaves the loop has heard enough: without this the host would go on.
  const left = new AbortController();
  const options = { signal: AbortSignal.any([signal, left.signal]) };
  try {
    for await (const { event } of createClient(PodService, transport).logs(message, options)) {
      if (event.case === "lines") {
        const { pod: from, lines } = event.value;
        for (const line of lines) yield { kind: "line", pod: from, line: decoder.decode(line) };
      } else if (event.case === "notice") {
        const notice = notices.get(event.value.kind);
        if (notice) yield { kind: "notice", pod: event.value.pod, notice, message: event.value.message };
      }
    }
  } finally {
    left.abort();
  }
}
