/** Makes one call as a case of the suite says, and tells how it went. */
import { setTimeout as delay } from "node:timers/promises";
import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import {
  type ClientCompatRequest,
  type ClientResponseResult,
  ClientResponseResultSchema,
} from "../../../.cache/conformance/gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { StreamType } from "../../../.cache/conformance/gen/connectrpc/conformance/v1/config_pb.ts";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  ConformancePayloadSchema,
  ConformanceService,
  ErrorSchema,
  type Header,
  HeaderSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
  UnimplementedRequestSchema,
} from "../../../.cache/conformance/gen/connectrpc/conformance/v1/service_pb.ts";

/** What is known of a call so far. */
interface Course {
  readonly request: ClientCompatRequest;
  readonly cancel: AbortController;
  readonly options: CallOptions;
  readonly payloads: ConformancePayload[];
  unsent: number;
}

type Method = (client: Client<typeof ConformanceService>, course: Course) => Promise<void>;

const methods: Readonly<Record<string, Method>> = {
  async Unary(client, course) {
    note(
      course,
      (await whileCancelling(course, client.unary(one(course, UnaryRequestSchema), course.options))).payload,
    );
  },
  async IdempotentUnary(client, course) {
    const call = client.idempotentUnary(one(course, IdempotentUnaryRequestSchema), course.options);
    note(course, (await whileCancelling(course, call)).payload);
  },
  async Unimplemented(client, course) {
    await whileCancelling(course, client.unimplemented(one(course, UnimplementedRequestSchema), course.options));
    note(course, undefined);
  },
  async ClientStream(client, course) {
    const requests = createWritableIterable<MessageInitShape<typeof ClientStreamRequestSchema>>();
    const call = client.clientStream(requests, course.options);
    // What it ends with is awaited below.
    call.catch(() => undefined);
    await send(course, requests, ClientStreamRequestSchema);
    await endRequest(course, requests);
    note(course, (await call).payload);
  },
  async ServerStream(client, course) {
    const answers = client.serverStream(one(course, ServerStreamRequestSchema), course.options);
    cancelLater(course);
    for await (const { payload } of answers) note(course, payload);
  },
  async BidiStream(client, course) {
    const requests = createWritableIterable<MessageInitShape<typeof BidiStreamRequestSchema>>();
    const answers = client.bidiStream(requests, course.options)[Symbol.asyncIterator]();
    const isFullDuplex = course.request.streamType === StreamType.FULL_DUPLEX_BIDI_STREAM;
    // Asked for before anything is sent, or nobody hears of a call that fails before it has all been.
    let answer = answers.next();
    answer.catch(() => undefined);
    await send(course, requests, BidiStreamRequestSchema, async () => {
      if (!isFullDuplex) return true;
      const { done, value } = await answer;
      if (done) return false;
      note(course, value.payload);
      answer = answers.next();
      answer.catch(() => undefined);
      return true;
    });
    await endRequest(course, requests);
    for (let next = await answer; !next.done; next = await answers.next()) note(course, next.value.payload);
  },
};

export async function invoke(transport: Transport, request: ClientCompatRequest): Promise<ClientResponseResult> {
  const method = methods[request.method ?? ""];
  if (method === undefined || request.service !== ConformanceService.typeName)
    throw new Error("There is no such method.");
  let headers: Header[] | undefined;
  let trailers: Header[] | undefined;
  const cancel = new AbortController();
  const options: CallOptions = {
    headers: request.requestHeaders.flatMap(({ name, value }) => value.map((text): [string, string] => [name, text])),
    signal: cancel.signal,
    onHeader: (fields) => {
      headers = toHeaders(fields);
    },
    onTrailer: (fields) => {
      trailers = toHeaders(fields);
    },
    ...(request.timeoutMs !== undefined && { timeoutMs: request.timeoutMs }),
  };
  const course: Course = { request, cancel, options, payloads: [], unsent: 0 };
  let error: ConnectError | undefined;
  try {
    await method(createClient(ConformanceService, transport), course);
  } catch (cause) {
    error = ConnectError.from(cause);
  }
  // An error's metadata is what came as headers and as trailers.
  const metadata = error && toHeaders(error.metadata);
  return create(ClientResponseResultSchema, {
    payloads: course.payloads,
    responseHeaders: headers ?? metadata ?? [],
    responseTrailers: trailers ?? metadata ?? [],
    numUnsentRequests: course.unsent,
    ...(error && { error: toError(error) }),
  });
}

function toError(error: ConnectError): MessageShape<typeof ErrorSchema> {
  const details = error.details.flatMap((detail) =>
    "type" in detail ? [{ typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value }] : [],
  );
  return create(ErrorSchema, { code: error.code, message: error.rawMessage, details });
}

function toHeaders(fields: Headers): Header[] {
  return [...fields].map(([name, value]) => create(HeaderSchema, { name, value: [value] }));
}

function note({ payloads, request, cancel }: Course, payload: ConformancePayload | undefined): void {
  payloads.push(payload ?? create(ConformancePayloadSchema));
  const timing = request.cancel?.cancelTiming;
  if (timing?.case === "afterNumResponses" && payloads.length === timing.value) cancel.abort();
}

/** The only message of the request. */
function one<T extends DescMessage>({ request }: Course, schema: T): MessageShape<T> {
  const [message] = request.requestMessages;
  if (message === undefined || request.requestMessages.length !== 1) throw new Error("Not one message is to be sent.");
  return unpack(message, schema);
}

function unpack<T extends DescMessage>(message: Any, schema: T): MessageShape<T> {
  const unpacked = anyUnpack(message, schema);
  if (unpacked === undefined) throw new Error(`A ${message.typeUrl} is no ${schema.typeName}.`);
  return unpacked;
}

/** Sends all messages, and after each does `then`, which says whether to go on. */
async function send<T extends DescMessage>(
  course: Course,
  to: { write(message: MessageShape<T>): Promise<void> },
  schema: T,
  then: () => Promise<boolean> = async () => true,
): Promise<void> {
  const { requestMessages, requestDelayMs } = course.request;
  for (const [index, message] of requestMessages.entries()) {
    await delay(requestDelayMs);
    course.unsent = requestMessages.length - index;
    try {
      await to.write(unpack(message, schema));
    } catch {
      return; // Why is said by what is received.
    }
    course.unsent -= 1;
    if (!(await then())) return;
  }
}

async function endRequest(course: Course, requests: { close(): void }): Promise<void> {
  if (course.request.cancel?.cancelTiming.case === "beforeCloseSend") course.cancel.abort();
  requests.close();
  cancelLater(course);
}

function cancelLater({ request, cancel }: Course): void {
  const timing = request.cancel?.cancelTiming;
  if (timing?.case === "afterCloseSendMs") setTimeout(() => cancel.abort(), timing.value);
}

function whileCancelling<T>(course: Course, call: Promise<T>): Promise<T> {
  cancelLater(course);
  return call;
}
