/** Who may call the API: nobody without the token, whatever the method. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { create, type DescMethod, type DescMethodStreaming, type DescMethodUnary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { withToken } from "../../../src/client/token.ts";
import { AccessService } from "../../../src/gen/fairlead/console/v1/access_service_pb.ts";
import { AgentService } from "../../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { AppService } from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { AuditService } from "../../../src/gen/fairlead/console/v1/audit_service_pb.ts";
import { DoctorService } from "../../../src/gen/fairlead/console/v1/doctor_service_pb.ts";
import { InboxService } from "../../../src/gen/fairlead/console/v1/inbox_service_pb.ts";
import { KubernetesService } from "../../../src/gen/fairlead/console/v1/kubernetes_service_pb.ts";
import { LinkService } from "../../../src/gen/fairlead/console/v1/link_service_pb.ts";
import { NotificationService } from "../../../src/gen/fairlead/console/v1/notification_service_pb.ts";
import { PeerService } from "../../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import { PodService } from "../../../src/gen/fairlead/console/v1/pod_service_pb.ts";
import { PolicyService } from "../../../src/gen/fairlead/console/v1/policy_service_pb.ts";
import { TunnelService } from "../../../src/gen/fairlead/console/v1/tunnel_service_pb.ts";
import { WatchService } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { type ApiWorld, startApi } from "./world.ts";

const services = [
  AccessService,
  AgentService,
  AppService,
  AuditService,
  DoctorService,
  InboxService,
  KubernetesService,
  LinkService,
  NotificationService,
  PeerService,
  PodService,
  PolicyService,
  TunnelService,
  WatchService,
];

suite("access to the API", () => {
  let world: ApiWorld;
  before(async () => {
    world = await startApi();
  });
  after(() => world[Symbol.asyncDispose]());

  for (const method of services.flatMap((service) => service.methods)) {
    test(`${method.parent.name}.${method.name} refuses a caller without a token, and one with a wrong token`, async () => {
      // What is said in both directions at a time is spoken over HTTP/2 alone.
      const isBoth = method.methodKind === "bidi_streaming";
      const bare = isBoth
        ? createConnectTransport({ baseUrl: world.town.consoleUrl, httpVersion: "2", idleConnectionTimeoutMs: 1 })
        : world.transport;
      for (const transport of [bare, withToken(bare, "flt_wrong")]) {
        const error = await failureOf(transport, method);
        assert.equal(error.code, Code.Unauthenticated, error.message);
        assert.doesNotMatch(error.message, /flt_/);
      }
    });
  }

  test("the agent's own token opens it", async () => {
    const client = createClient(AgentService, withToken(world.transport, world.town.token));
    assert.equal((await client.getInfo({})).name, "porto");
  });
});

/** Calls a method with an empty request, and gives its failure. */
async function failureOf(transport: Transport, method: DescMethod): Promise<ConnectError> {
  const signal = AbortSignal.timeout(30_000);
  try {
    if (isUnary(method)) await transport.unary(method, signal, undefined, undefined, create(method.input));
    else if (isStreaming(method)) {
      const answer = await transport.stream(method, signal, undefined, undefined, once(create(method.input)));
      for await (const _ of answer.message) break;
    }
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error(`${method.name} was answered`);
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value;
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}

function isStreaming(method: DescMethod): method is DescMethodStreaming {
  return method.methodKind !== "unary";
}
