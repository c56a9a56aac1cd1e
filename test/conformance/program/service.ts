/** The service that the suite's client calls: it answers as each request says, and repeats what it was asked. */
import { setTimeout as delay } from "node:timers/promises";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  ConformancePayload_RequestInfoSchema,
  ConformancePayloadSchema,
  type ConformanceService,
  type Error as ErrorDefinition,
  type Header,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from "../../../.cache/conformance/gen/connectrpc/conformance/v1/service_pb.ts";

/** Without `unimplemented`, which is to be just that. */
export const conformanceService: Partial<ServiceImpl<typeof ConformanceService>> = {
  unary: (request, context) => answerOnce(request.responseDefinition, [pack(UnaryRequestSchema, request)], context),

  idempotentUnary: (request, context) =>
    answerOnce(request.responseDefinition, [pack(IdempotentUnaryRequestSchema, request)], context),

  async clientStream(requests, context) {
    const asked: Any[] = [];
    let definition: UnaryResponseDefinition | undefined;
    for await (const request of requests) {
      if (asked.length === 0) definition = request.responseDefinition;
      asked.push(pack(ClientStreamRequestSchema, request));
    }
    return await answerOnce(definition, asked, context);
  },

  async *serverStream(request, context) {
    const definition = request.responseDefinition;
    say(definition, context);
    yield* answerAll(definition, [pack(ServerStreamRequestSchema, request)], context);
  },

  async *bidiStream(requests, context) {
    let definition: StreamResponseDefinition | undefined;
    let isFullDuplex = false;
    let isFirst = true;
    let sent = 0;
    let asked: Any[] = [];
    for await (const request of requests) {
      if (isFirst) {
        isFirst = false;
        definition = request.responseDefinition;
        isFullDuplex = request.fullDuplex;
        say(definition, context);
      }
      asked.push(pack(BidiStreamRequestSchema, request));
      if (!isFullDuplex) continue;
      const data = definition?.responseData[sent];
      if (definition === undefined || data === undefined) break;
      await delay(definition.responseDelayMs, undefined, { signal: context.signal });
      yield { payload: payload(data, sent === 0 ? all(asked, context) : { requests: asked }) };
      asked = [];
      sent += 1;
    }
    yield* answerAll(definition, asked, context, sent);
  },
};

async function answerOnce(
  definition: UnaryResponseDefinition | undefined,
  requests: Any[],
  context: HandlerContext,
): Promise<{ payload: ConformancePayload }> {
  say(definition, context);
  await delay(definition?.responseDelayMs ?? 0, undefined, { signal: context.signal });
  if (definition?.response.case === "error") throw toError(definition.response.value, requests, context);
  const data = definition?.response.case === "responseData" ? definition.response.value : new Uint8Array();
  return { payload: payload(data, all(requests, context)) };
}

/** What is left to be answered after `sent` messages, and the end. */
async function* answerAll(
  definition: StreamResponseDefinition | undefined,
  requests: Any[],
  context: HandlerContext,
  sent = 0,
): AsyncGenerator<{ payload: ConformancePayload }> {
  let count = sent;
  for (const data of definition?.responseData.slice(sent) ?? []) {
    await delay(definition?.responseDelayMs ?? 0, undefined, { signal: context.signal });
    yield { payload: payload(data, count === 0 ? all(requests, context) : undefined) };
    count += 1;
  }
  if (definition?.error) throw toError(definition.error, count === 0 ? requests : undefined, context);
}

/** Headers and trailers, also of an answer that is an error. */
function say(
  definition: { responseHeaders: Header[]; responseTrailers: Header[] } | undefined,
  { responseHeader, responseTrailer }: HandlerContext,
): void {
  for (const { name, value } of definition?.responseHeaders ?? [])
    for (const one of value) responseHeader.append(name, one);
  for (const { name, value } of definition?.responseTrailers ?? [])
    for (const one of value) responseTrailer.append(name, one);
}

function toError(
  { code, message, details }: ErrorDefinition,
  requests: Any[] | undefined,
  context: HandlerContext,
): ConnectError {
  // The numbers of the suite's codes are gRPC's, and so are Connect's.
  const error = new ConnectError(message ?? "", code || undefined);
  error.details = details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value }));
  if (requests) error.details.push({ desc: ConformancePayload_RequestInfoSchema, value: all(requests, context) });
  return error;
}

type RequestInfo = MessageShape<typeof ConformancePayload_RequestInfoSchema>;

function all(requests: Any[], context: HandlerContext): RequestInfo {
  const timeoutMs = context.timeoutMs();
  return create(ConformancePayload_RequestInfoSchema, {
    requests,
    requestHeaders: [...context.requestHeader].map(([name, value]) => ({ name, value: [value] })),
    ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.round(timeoutMs)) }),
  });
}

function payload(data: Uint8Array, requestInfo?: RequestInfo | { requests: Any[] }): ConformancePayload {
  return create(ConformancePayloadSchema, { data, ...(requestInfo && { requestInfo }) });
}

function pack<T extends DescMessage>(schema: T, message: MessageShape<T>): Any {
  return anyPack(schema, message);
}
