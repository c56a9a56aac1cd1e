/** The origin's side: programs in the pods of an app that runs at a peer, and files there. Messages are passed on as they are. */
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  type ExecRequest,
  type ExecResponse,
  PodService,
  type ReadFilesRequest,
  type ReadFilesResponse,
  type WriteFilesRequest,
  type WriteFilesResponse,
} from "../gen/fairlead/peer/v1/pods_pb.ts";
import { interactively } from "../rpc/transport.ts";
import { UseRecord, type UseRecordDeps } from "./use-record.ts";

export interface UsePodDeps extends UseRecordDeps {
  readonly transport: Transport;
}

/** Who asks, for which app of ours. */
export interface PodUser {
  readonly app: { readonly namespace: string; readonly name: string };
  /** As the door knows them, for the record; undefined where nobody can know. */
  readonly person?: string | undefined;
}

/** Runs a program. Throws a ConnectError when the host refuses, takes the right back, or the link is lost. */
export function runProgram(
  deps: UsePodDeps,
  by: PodUser,
  requests: AsyncIterable<ExecRequest>,
  signal: AbortSignal,
): AsyncGenerator<ExecResponse, void, undefined> {
  const actions = { open: "exec.open", revoke: "exec.revoke" };
  return recorded(deps, by, actions, signal, (options) =>
    createClient(PodService, deps.transport).exec(requests, { ...options, headers: interactively() }),
  );
}

/** An archive of files. Throws as `runProgram` does. */
export function readFiles(
  deps: UsePodDeps,
  by: PodUser,
  request: ReadFilesRequest,
  signal: AbortSignal,
): AsyncGenerator<ReadFilesResponse, void, undefined> {
  const actions = { open: "file.read", revoke: "file.revoke" };
  return recorded(deps, by, actions, signal, (options) =>
    createClient(PodService, deps.transport).readFiles(request, options),
  );
}

/** Unpacks an archive. Rejects as `runProgram` throws. */
export async function writeFiles(
  deps: UsePodDeps,
  by: PodUser,
  requests: AsyncIterable<WriteFilesRequest>,
  signal: AbortSignal,
): Promise<WriteFilesResponse> {
  const actions = { open: "file.write", revoke: "file.revoke" };
  const answers = recorded(deps, by, actions, signal, async function* (options) {
    yield await createClient(PodService, deps.transport).writeFiles(requests, options);
  });
  for await (const answer of answers) return answer;
  throw new ConnectError("The peer gave no answer.", Code.Internal);
}

interface UseOptions {
  readonly signal: AbortSignal;
  onHeader(headers: Headers): void;
}

async function* recorded<T>(
  deps: UsePodDeps,
  { app, person }: PodUser,
  actions: { readonly open: string; readonly revoke: string },
  signal: AbortSignal,
  use: (options: UseOptions) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const record = new UseRecord(deps, actions, app, person);
  // Who leaves the loop has heard enough: without this the host would go on.
  const left = new AbortController();
  const options = {
    signal: AbortSignal.any([signal, left.signal]),
    onHeader: (headers: Headers) => record.answered(headers),
  };
  try {
    for await (const answer of use(options)) {
      record.allowed();
      yield answer;
    }
  } catch (error) {
    if (!signal.aborted) record.failed(explain(deps.peer, error));
    throw explain(deps.peer, error);
  } finally {
    left.abort();
  }
}

function explain(peer: string, error: unknown): unknown {
  if (!(error instanceof ConnectError) || error.code !== Code.Unimplemented) return error;
  const message = `The agent of ${peer} is of an earlier version, which cannot do this: ${error.rawMessage}`;
  return new ConnectError(message, Code.Unimplemented, undefined, undefined, error.cause);
}
