/** `PodService`: pods of apps, wherever they run. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type ExecRequest,
  type ExecResponse,
  ExecResponseSchema,
  type PodRef,
  type PodService,
  ReadFilesResponseSchema,
  type WriteFilesRequest,
  WriteFilesResponseSchema,
} from "../../gen/fairlead/console/v1/pod_service_pb.ts";
import {
  type ExecRequest as PeerExecRequest,
  ExecRequestSchema as PeerExecRequestSchema,
  PodRefSchema as PeerPodRefSchema,
  ReadFilesRequestSchema as PeerReadFilesRequestSchema,
  type WriteFilesRequest as PeerWriteFilesRequest,
  WriteFilesRequestSchema as PeerWriteFilesRequestSchema,
} from "../../gen/fairlead/peer/v1/pods_pb.ts";
import type { Pods } from "../../pods/pods.ts";
import { principalKey } from "../auth/principal.ts";

/** Which lines of an app's logs are wanted. */
export interface LogOptions {
  readonly follow: boolean;
  readonly tailLines?: number | undefined;
  readonly sinceSeconds?: number | undefined;
  readonly previous: boolean;
  readonly timestamps: boolean;
  /** Only this pod. */
  readonly pod?: string | undefined;
  /** Only this container; the app's own unless given. */
  readonly container?: string | undefined;
  /** Only at this peer. */
  readonly peer?: string | undefined;
  readonly allContainers: boolean;
  /** Who reads, for the audit. */
  readonly person?: string | undefined;
}

/** A line of a log, or a notice about a pod. */
export interface LogPiece {
  /** Empty for an app that runs at one. */
  readonly peer: string;
  readonly pod: string;
  readonly container: string;
  readonly line: string;
  readonly notice: string;
}

export interface PodServiceDeps {
  /** Lines of all pods of a RemoteApp at all its peers, merged as they come, and notices. Throws a ConnectError when there is no such app. */
  logs(app: { namespace: string; name: string }, options: LogOptions, signal: AbortSignal): AsyncIterable<LogPiece>;
  /** The peer at which it is done. Throws a ConnectError when there is no such app, or nowhere. */
  peerOf(app: { namespace: string; name: string }, wanted: { peer: string; pod: string }): string;
  readonly pods: Pick<Pods, "runProgram" | "readFiles" | "writeFiles">;
}

export function createPodService(deps: PodServiceDeps): ServiceImpl<typeof PodService> {
  const place = (target: PodRef | undefined) => {
    const { namespace = "", name = "" } = target?.app ?? {};
    const { pod = "", container = "", peer = "" } = target ?? {};
    const at = create(PeerPodRefSchema, { namespace, name, pod, container });
    return { peer: deps.peerOf({ namespace, name }, { peer, pod }), at, app: { namespace, name } };
  };
  return {
    logs({ app, follow, tailLines, sinceSeconds, previous, timestamps, pod, container, allContainers, peer }, o) {
      const options: LogOptions = {
        follow,
        previous,
        timestamps,
        allContainers,
        person: o.values.get(principalKey)?.name,
        ...(tailLines !== undefined && { tailLines }),
        ...(sinceSeconds > 0n && { sinceSeconds: Number(sinceSeconds) }),
        ...(pod && { pod }),
        ...(container && { container }),
        ...(peer && { peer }),
      };
      return deps.logs({ namespace: app?.namespace ?? "", name: app?.name ?? "" }, options, o.signal);
    },

    async *exec(requests, { signal, values }) {
      const iterator = requests[Symbol.asyncIterator]();
      const first: ExecRequest | undefined = (await iterator.next()).value;
      if (first?.event.case !== "start") throw invalid("The first message must say what to run, and where.");
      const start = first.event.value;
      const { peer, at, app } = place(start.target);
      const { command, input, tty, size } = start;
      const opening = {
        case: "start" as const,
        value: { target: at, command, input, tty, ...(size && { size: { columns: size.columns, rows: size.rows } }) },
      };
      const by = { app, person: values.get(principalKey)?.name };
      const passedOn = passOn(toPeer(opening), iterator, ({ event }) => {
        if (event.case === "start") throw invalid("Only the first message may say what to run.");
        if (event.case === "input") return toPeer(event);
        if (event.case === "endOfInput") return toPeer({ case: "endOfInput", value: {} });
        if (event.case !== "size") return undefined;
        return toPeer({ case: "size", value: { columns: event.value.columns, rows: event.value.rows } });
      });
      for await (const { event } of deps.pods.runProgram(peer, by, passedOn, signal)) {
        if (event.case === "output" || event.case === "errorOutput") yield say(event);
        else if (event.case === "started") {
          const { pod, container } = event.value;
          yield say({ case: "started", value: { pod, container, peer } });
        } else if (event.case === "exit") {
          const { code, message } = event.value;
          yield say({ case: "exit", value: { code, message } });
        }
      }
    },

    async *readFiles({ target, path }, { signal, values }) {
      const { peer, at, app } = place(target);
      const by = { app, person: values.get(principalKey)?.name };
      const request = create(PeerReadFilesRequestSchema, { target: at, path });
      for await (const { event } of deps.pods.readFiles(peer, by, request, signal)) {
        if (event.case === "data") yield create(ReadFilesResponseSchema, { event });
        else if (event.case === "started") {
          const { pod, container } = event.value;
          yield create(ReadFilesResponseSchema, { event: { case: "started", value: { pod, container, peer } } });
        }
      }
    },

    async writeFiles(requests, { signal, values }) {
      const iterator = requests[Symbol.asyncIterator]();
      const first: WriteFilesRequest | undefined = (await iterator.next()).value;
      if (first?.event.case !== "start") throw invalid("The first message must say where the files go.");
      const { target, directory } = first.event.value;
      const { peer, at, app } = place(target);
      const by = { app, person: values.get(principalKey)?.name };
      const opening: PeerWriteFilesRequest = create(PeerWriteFilesRequestSchema, {
        event: { case: "start", value: { target: at, directory } },
      });
      const passedOn = passOn(opening, iterator, ({ event }) =>
        event.case === "data" ? create(PeerWriteFilesRequestSchema, { event }) : undefined,
      );
      const { pod, container } = await deps.pods.writeFiles(peer, by, passedOn, signal);
      return create(WriteFilesResponseSchema, { pod, container, peer });
    },
  };
}

async function* passOn<I, O>(
  first: O,
  rest: AsyncIterator<I>,
  change: (message: I) => O | undefined,
): AsyncGenerator<O, void, undefined> {
  yield first;
  for await (const message of { [Symbol.asyncIterator]: () => rest }) {
    const changed = change(message);
    if (changed !== undefined) yield changed;
  }
}

function toPeer(event: NonNullable<MessageInitShape<typeof PeerExecRequestSchema>["event"]>): PeerExecRequest {
  return create(PeerExecRequestSchema, { event });
}

function say(event: NonNullable<MessageInitShape<typeof ExecResponseSchema>["event"]>): ExecResponse {
  return create(ExecResponseSchema, { event });
}

function invalid(message: string): ConnectError {
  return new ConnectError(message, Code.InvalidArgument);
}
