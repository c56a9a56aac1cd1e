/**
 * By which `buf curl`, grpcurl and their like learn the API without its protos at hand. Anybody may ask: the protos are public.
 * What strangers can make it hold is bounded: streams at a time, how long each lasts, and what is asked on it.
 */
import type { DescFile } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Clock } from "../../base/clock.ts";
import type { ServerReflectionRequest } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import type { ServerReflectionRequest as AlphaRequest } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { tryLater } from "../try-later.ts";
import type { Descriptors } from "./descriptors.ts";

type Asked = ServerReflectionRequest | AlphaRequest;

/** As plain objects, which are messages of either version. */
type Question =
  | {
      case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType" | "listServices";
      value: string;
    }
  | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } }
  | { case: undefined };

type Found =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

interface Answer {
  validHost: string;
  originalRequest: { host: string; messageRequest: Question };
  messageResponse: Found;
}

/** The two versions differ in their names alone. */
export interface ReflectionService {
  serverReflectionInfo(requests: AsyncIterable<Asked>, context: HandlerContext): AsyncGenerator<Answer>;
}

/** Streams at a time, over all callers. */
export const mostStreams = 64;
/** Of one stream: a tool asks a few dozen times, and at once. */
const mostRequests = 1_000;
const longestMs = 60_000;

export function createReflectionService(deps: { descriptors: Descriptors; clock: Clock }): ReflectionService {
  const { descriptors, clock } = deps;
  let streams = 0;
  return {
    async *serverReflectionInfo(requests, { signal }) {
      if (streams >= mostStreams) {
        throw tryLater(`${mostStreams} callers ask about the API already; try again.`, { seconds: 1 });
      }
      streams += 1;
      const over = new AbortController();
      const timer = clock.after(longestMs, () => over.abort());
      timer.unref?.();
      const told = new Set<DescFile>();
      let count = 0;
      try {
        for await (const asked of until(requests, AbortSignal.any([signal, over.signal]))) {
          count += 1;
          if (count > mostRequests) {
            throw new ConnectError(`That was request ${count} of one stream; open another.`, Code.ResourceExhausted);
          }
          const { host } = asked;
          const messageRequest = plain(asked.messageRequest);
          yield {
            validHost: host,
            originalRequest: { host, messageRequest },
            messageResponse: answer(descriptors, messageRequest, told),
          };
        }
        if (over.signal.aborted)
          throw new ConnectError("A stream lasts a minute; open another.", Code.DeadlineExceeded);
      } finally {
        streams -= 1;
        timer.cancel();
      }
    },
  };
}

function plain(asked: Asked["messageRequest"]): Question {
  if (asked.case === undefined) return { case: undefined };
  if (asked.case !== "fileContainingExtension") return { case: asked.case, value: asked.value };
  const { containingType, extensionNumber } = asked.value;
  return { case: asked.case, value: { containingType, extensionNumber } };
}

function answer(descriptors: Descriptors, asked: Question, told: Set<DescFile>): Found {
  const { extensionsOf, services } = descriptors;
  switch (asked.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: services.map((name) => ({ name })) } };
    case "fileByFilename":
      return files(descriptors, descriptors.fileNamed(asked.value), told, `file ${asked.value}`);
    case "fileContainingSymbol":
      return files(descriptors, descriptors.fileOf(asked.value.replace(/^\./, "")), told, `symbol ${asked.value}`);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      const file = descriptors.fileOfExtension(containingType, extensionNumber);
      return files(descriptors, file, told, `extension ${extensionNumber} of ${containingType}`);
    }
    case "allExtensionNumbersOfType": {
      const numbers = extensionsOf(asked.value);
      if (!numbers) return failure(Code.NotFound, `There is no message ${asked.value} here.`);
      const value = { baseTypeName: asked.value, extensionNumber: [...numbers] };
      return { case: "allExtensionNumbersResponse", value };
    }
    default:
      return failure(Code.InvalidArgument, "The request asks nothing.");
  }
}

/** The file with what it stands on; of that, what this stream has not had yet. */
function files(descriptors: Descriptors, file: DescFile | undefined, told: Set<DescFile>, what: string): Found {
  if (!file) return failure(Code.NotFound, `There is no ${what} here.`);
  const wanted = descriptors.closure(file).filter((each) => each === file || !told.has(each));
  for (const each of wanted) told.add(each);
  const value = { fileDescriptorProto: wanted.map((each) => descriptors.encode(each)).reverse() };
  return { case: "fileDescriptorResponse", value };
}

function failure(errorCode: Code, errorMessage: string): Found {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/** What comes until the signal aborts, whose reason is not told. */
async function* until<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (!next || next.done) return;
      yield next.value;
    }
  } finally {
    iterator.return?.()?.catch(() => undefined);
  }
}
