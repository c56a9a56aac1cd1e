/** What tools learn of the API from a port whose protos they do not have. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import {
  create,
  createFileRegistry,
  type DescMethod,
  type FileRegistry,
  fromBinary,
  getExtension,
  getOption,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { describeServices } from "../../src/console/anyone/descriptors.ts";
import { createReflectionService, mostStreams } from "../../src/console/anyone/reflection-service.ts";
import { access } from "../../src/gen/fairlead/console/v1/access_pb.ts";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { PeerService } from "../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience } from "../patience.ts";
import { type ConsoleWorld, startConsole } from "./console-world.ts";

type Question = Exclude<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"], undefined>;
type Answer = ServerReflectionResponse["messageResponse"];

const services = ["fairlead.console.v1.AppService", "fairlead.console.v1.PeerService"];
const grpcs = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];

suite("reflection", () => {
  let world: ConsoleWorld;
  let sessions: Http2SessionManager;
  before(async () => {
    world = await startConsole({
      routes: (router) => void router.service(AppService, {}).service(PeerService, {}),
    });
    sessions = new Http2SessionManager(`http://127.0.0.1:${world.port}`);
  });
  after(async () => {
    sessions.abort();
    await world[Symbol.asyncDispose]();
  });

  async function ask(...questions: Question[]): Promise<Answer[]> {
    const baseUrl = `http://127.0.0.1:${world.port}`;
    const client = createClient(ServerReflection, createGrpcTransport({ baseUrl, sessionManager: sessions }));
    const answers: Answer[] = [];
    async function* requests() {
      for (const messageRequest of questions) yield { host: "here", messageRequest };
    }
    for await (const answer of client.serverReflectionInfo(requests(), { signal: patience() })) {
      assert.equal(answer.validHost, "here");
      answers.push(answer.messageResponse);
    }
    return answers;
  }

  test("lists what is served to somebody who is not signed in, by either version of it and by each protocol", async () => {
    const baseUrl = `http://127.0.0.1:${world.port}`;
    const options = { baseUrl, httpVersion: "2", sessionManager: sessions } as const;
    async function* listServices() {
      yield { messageRequest: { case: "listServices", value: "" } } as const;
    }
    for (const make of [createGrpcTransport, createConnectTransport, createGrpcWebTransport]) {
      for (const service of [ServerReflection, ServerReflectionAlpha]) {
        const client = createClient(service, make(options));
        const names: string[] = [];
        for await (const { messageResponse } of client.serverReflectionInfo(listServices())) {
          assert.ok(messageResponse.case === "listServicesResponse");
          names.push(...messageResponse.value.service.map(({ name }) => name));
        }
        assert.deepEqual(names, [...services, ...grpcs]);
      }
    }
  });

  test("what it tells of a symbol is whole: the very declarations, options and what they stand on", async () => {
    const [found] = await ask({ case: "fileContainingSymbol", value: "fairlead.console.v1.AppService" });
    const registry = registryOf(found);
    const service = registry.getService("fairlead.console.v1.AppService");
    assert.deepEqual(
      service?.methods.map(({ name, input, output }) => [name, input.typeName, output.typeName]),
      AppService.methods.map(({ name, input, output }) => [name, input.typeName, output.typeName]),
    );
    for (const method of AppService.methods) {
      const told: DescMethod | undefined = service?.method[method.localName];
      assert.ok(told);
      assert.deepEqual(getExtension(told.proto.options ?? never(), access), getOption(method, access), method.name);
    }
    assert.ok(registry.getExtension("buf.validate.field"), "rules are told, too");
  });

  test("a file comes once on a stream, and again when it is asked for itself", async () => {
    const symbol = { case: "fileContainingSymbol", value: "fairlead.console.v1.AppService" } as const;
    const [first, second, peer] = await ask(symbol, symbol, { ...symbol, value: "fairlead.console.v1.PeerService" });
    assert.ok(names(first).length > 5);
    assert.deepEqual(names(second), ["fairlead/console/v1/app_service.proto"]);
    assert.deepEqual(
      names(peer).filter((name) => names(first).includes(name)),
      [],
    );
    assert.ok(names(peer).includes("fairlead/console/v1/peer_service.proto"));
  });

  test("finds methods, fields, values of enums and extensions, by name or number", async () => {
    const file = (name: string) => `fairlead/console/v1/${name}.proto`;
    const symbol = (value: string) => ({ case: "fileContainingSymbol", value }) as const;
    const of = "google.protobuf.MethodOptions";
    const answers = await ask(
      symbol("fairlead.console.v1.AppService.ListApps"),
      symbol(".fairlead.console.v1.ObjectRef.namespace"),
      symbol("fairlead.console.v1.ROLE_VIEWER"),
      symbol("fairlead.console.v1.access"),
      { case: "fileContainingExtension", value: { containingType: of, extensionNumber: 51210 } },
      { case: "fileByFilename", value: file("object") },
    );
    assert.deepEqual(
      answers.map((answer) => names(answer)[0]),
      ["app_service", "object", "access", "access", "access", "object"].map(file),
    );
    const [numbers, none] = await ask(
      { case: "allExtensionNumbersOfType", value: of },
      { case: "allExtensionNumbersOfType", value: "fairlead.console.v1.ObjectRef" },
    );
    assert.ok(numbers?.case === "allExtensionNumbersResponse" && none?.case === "allExtensionNumbersResponse");
    assert.deepEqual([numbers.value.extensionNumber, none.value.extensionNumber], [[51210], []]);
  });

  test("says what is not there, and goes on", async () => {
    const answers = await ask(
      { case: "fileContainingSymbol", value: "fairlead.console.v1.Nothing" },
      { case: "fileByFilename", value: "../../etc/passwd" },
      {
        case: "fileContainingExtension",
        value: { containingType: "google.protobuf.MethodOptions", extensionNumber: 1 },
      },
      { case: "allExtensionNumbersOfType", value: "nothing.Here" },
      { case: undefined },
      { case: "listServices", value: "" },
    );
    const codes = answers.map((answer) => (answer.case === "errorResponse" ? answer.value.errorCode : answer.case));
    const { NotFound, InvalidArgument } = Code;
    assert.deepEqual(codes, [NotFound, NotFound, NotFound, NotFound, InvalidArgument, "listServicesResponse"]);
  });
});

suite("of reflection nobody gets more than a share", () => {
  const clock = createFakeClock();
  const open = (requests: AsyncIterable<never>, service: ReturnType<typeof createReflectionService>) =>
    service.serverReflectionInfo(requests, { signal: new AbortController().signal } as never).next();
  async function* silent(): AsyncGenerator<never> {
    await new Promise(() => undefined);
  }

  test("streams at a time are counted, and each lasts a minute at most", async () => {
    const service = createReflectionService({ descriptors: describeServices([AppService]), clock });
    const opened = Array.from({ length: mostStreams }, () => open(silent(), service));
    const ended = Promise.allSettled(opened);
    await assert.rejects(open(silent(), service), { code: Code.ResourceExhausted });
    await clock.advance(60_000);
    for (const each of await ended) {
      assert.ok(each.status === "rejected" && each.reason instanceof ConnectError);
      assert.equal(each.reason.code, Code.DeadlineExceeded);
    }
    const again = assert.rejects(open(silent(), service), { code: Code.DeadlineExceeded });
    await clock.advance(60_000);
    await again;
  });

  test("a stream has so many questions and no more", async () => {
    const service = createReflectionService({ descriptors: describeServices([AppService]), clock });
    async function* endless() {
      for (;;)
        yield create(ServerReflection.method.serverReflectionInfo.input, {
          messageRequest: { case: "listServices", value: "" },
        });
    }
    let answered = 0;
    await assert.rejects(
      async () => {
        const context = { signal: new AbortController().signal } as never;
        for await (const _ of service.serverReflectionInfo(endless(), context)) answered += 1;
      },
      { code: Code.ResourceExhausted },
    );
    assert.equal(answered, 1_000);
  });
});

function filesOf(answer: Answer | undefined): Uint8Array[] {
  assert.ok(answer?.case === "fileDescriptorResponse", JSON.stringify(answer));
  return answer.value.fileDescriptorProto;
}

/** The file that was asked for is the first. */
function names(answer: Answer | undefined): string[] {
  return setOf(answer).file.map(({ name }) => name);
}

function setOf(answer: Answer | undefined) {
  return create(FileDescriptorSetSchema, {
    file: filesOf(answer).map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)),
  });
}

function registryOf(answer: Answer | undefined): FileRegistry {
  const set = setOf(answer);
  set.file.reverse();
  return createFileRegistry(set);
}

function never(): never {
  throw new Error("never");
}
