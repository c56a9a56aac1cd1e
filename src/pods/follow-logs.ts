/** The origin's side: the log of an app that runs at a peer, as it comes. */
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { PodNotice_Kind, PodService } from "../gen/fairlead/peer/v1/pods_pb.ts";
import type { PeeringAuditEntry } from "../peering/audit-entry.ts";
import { isRevoked, ruleIn, type StreamRecord } from "../peering/stream-record.ts";
import { streamHeader } from "../rpc/transport.ts";

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
  /** Who reads, as the door knows them, for the record; undefined where nobody can know. */
  readonly person?: string | undefined;
}

export interface FollowDeps {
  readonly transport: Transport;
  /** Our name for the peer at its other end. */
  readonly peer: string;
  readonly record: Pick<StreamRecord, "note">;
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
  const { follow, previous, timestamps, tailLines, sinceSeconds, pod } = request;
  const reading = new Reading(deps, app, request.person);
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
  const options = {
    signal: AbortSignal.any([signal, left.signal]),
    onHeader: (headers: Headers) => reading.answered(headers),
  };
  try {
    for await (const { event } of createClient(PodService, deps.transport).logs(message, options)) {
      reading.allowed();
      if (event.case === "lines") {
        const { pod: from, lines } = event.value;
        for (const line of lines) yield { kind: "line", pod: from, line: decoder.decode(line) };
      } else if (event.case === "notice") {
        const notice = notices.get(event.value.kind);
        if (notice) yield { kind: "notice", pod: event.value.pod, notice, message: event.value.message };
      }
    }
    reading.allowed();
  } catch (error) {
    if (!signal.aborted) reading.failed(ConnectError.from(error));
    throw error;
  } finally {
    left.abort();
  }
}

/** What is written down of one log that is read: how it began, and that its right was taken back. */
class Reading {
  readonly #deps: FollowDeps;
  readonly #target: string;
  readonly #person: string | undefined;
  #correlation: string | undefined;
  #begun = false;

  constructor(deps: FollowDeps, app: { namespace: string; name: string }, person: string | undefined) {
    this.#deps = deps;
    this.#target = `app/${app.namespace}/${app.name}`;
    this.#person = person;
  }

  answered(headers: Headers): void {
    this.#correlation = headers.get(streamHeader) ?? undefined;
  }

  /** Something of the log has come: a host that refuses says nothing before. */
  allowed(): void {
    if (!this.#begun) this.#note({ action: "log.read", verdict: "allowed" });
    this.#begun = true;
  }

  failed(error: ConnectError): void {
    const { rawMessage: message } = error;
    this.#correlation ??= error.metadata.get(streamHeader) ?? undefined;
    const rule = ruleIn(message);
    if (!this.#begun) {
      const verdict = error.code === Code.PermissionDenied ? "denied" : "failed";
      this.#note({ action: "log.read", verdict, rule, message });
    } else if (isRevoked(error.cause)) this.#note({ action: "log.revoke", verdict: "done", rule, message });
  }

  #note(entry: Pick<PeeringAuditEntry, "action" | "verdict" | "rule" | "message">): void {
    const { peer, record } = this.#deps;
    const actor = { peer, person: this.#person };
    const by = `${peer}/${this.#person ?? ""}`;
    record.note(by, { ...entry, actor, target: this.#target, correlation: this.#correlation });
  }
}
