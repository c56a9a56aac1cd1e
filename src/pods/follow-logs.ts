/** The origin's side: the log of an app that runs at a peer, as it comes. */
import { createClient, type Transport } from "@connectrpc/connect";
import { PodNotice_Kind, PodService } from "../gen/fairlead/peer/v1/pods_pb.ts";
import { UseRecord, type UseRecordDeps } from "./use-record.ts";

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
  /** Only this container; the app's own unless given. */
  readonly container?: string | undefined;
  /** Of all containers of each pod. */
  readonly allContainers?: boolean | undefined;
  /** Who reads, as the door knows them, for the record; undefined where nobody can know. */
  readonly person?: string | undefined;
}

export interface FollowDeps extends UseRecordDeps {
  readonly transport: Transport;
}

export type LogEvent =
  | { readonly kind: "line"; readonly pod: string; readonly container: string; readonly line: string }
  /** Why a pod's lines begin, end or are missing. */
  | {
      readonly kind: "notice";
      readonly pod: string;
      /** Empty when only one was asked for. */
      readonly container: string;
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

/**
 * Ends when the host says so; throws a ConnectError when the host refuses, takes the right back, or the link is lost. It is
 * written down that it was read, or why not.
 */
export async function* followLogs(
  deps: FollowDeps,
  app: { namespace: string; name: string },
  request: LogRequest,
  signal: AbortSignal,
): AsyncGenerator<LogEvent, void, undefined> {
  const { follow, previous, timestamps, tailLines, sinceSeconds, pod, container = "", allContainers = false } = request;
  const reading = new UseRecord(deps, { open: "log.read", revoke: "log.revoke" }, app, request.person);
  const message = {
    namespace: app.namespace,
    name: app.name,
    follow,
    previous,
    timestamps,
    pod: pod ?? "",
    container,
    allContainers,
    ...(tailLines !== undefined && { tailLines }),
    ...(sinceSeconds !== undefined && { sinceSeconds }),
  };
  const decoder = new TextDecoder();
  // Who leaves the loop has heard enough: without this the host would go on.
  const left = new AbortController();
  const options = {
    signal: AbortSignal.any([signal, left.signal]),
    onHeader: (headers: Headers) => reading.answered(headers),
  };
  try {
    for await (const { event } of createClient(PodService, deps.transport).logs(message, options)) {
      reading.allowed();
      if (event.case === "lines") {
        const { pod: from, container: its, lines } = event.value;
        for (const line of lines) yield { kind: "line", pod: from, container: its, line: decoder.decode(line) };
      } else if (event.case === "notice") {
        const notice = notices.get(event.value.kind);
        const { pod: about, container: its, message: why } = event.value;
        if (notice) yield { kind: "notice", pod: about, container: its, notice, message: why };
      }
    }
    reading.allowed();
  } catch (error) {
    if (!signal.aborted) reading.failed(error);
    throw error;
  } finally {
    left.abort();
  }
}
