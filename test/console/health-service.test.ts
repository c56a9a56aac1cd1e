import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { createHealthService, mostWatches } from "../../src/console/anyone/health-service.ts";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { startConsole } from "./console-world.ts";

const service = AppService.typeName;
const routes: Parameters<typeof startConsole>[0] = { routes: (router) => void router.service(AppService, {}) };

suite("gRPC's health service", () => {
  test("answers somebody who is not signed in, over HTTP/1.1 and HTTP/2", async () => {
    await using world = await startConsole(routes);
    const baseUrl = `http://127.0.0.1:${world.port}`;
    const sessionManager = new Http2SessionManager(baseUrl);
    for (const transport of [
      createConnectTransport({ baseUrl, httpVersion: "1.1" }),
      createGrpcTransport({ baseUrl, sessionManager }),
    ]) {
      const health = createClient(Health, transport);
      for (const asked of ["", service, Health.typeName]) {
        assert.equal((await health.check({ service: asked })).status, Status.SERVING);
      }
      await assert.rejects(health.check({ service: "fairlead.Nothing" }), { code: Code.NotFound });
      const { statuses } = await health.list({});
      assert.deepEqual([statuses[""]?.status, statuses[service]?.status], [Status.SERVING, Status.SERVING]);
    }
    sessionManager.abort();
  });

  test("says so when the agent is not ready, when it is again, and when it stops", async () => {
    let ready = true;
    const world = await startConsole({ ...routes, isReady: () => ready });
    const baseUrl = `http://127.0.0.1:${world.port}`;
    const sessionManager = new Http2SessionManager(baseUrl);
    const health = createClient(Health, createGrpcTransport({ baseUrl, sessionManager }));
    const told: Status[] = [];
    const unknown: Status[] = [];
    const watch = async (name: string, to: Status[]): Promise<void> => {
      for await (const { status } of health.watch({ service: name }, { signal: patience() })) to.push(status);
    };
    const ended = Promise.allSettled([watch(service, told), watch("fairlead.Nothing", unknown)]);
    await until("the present state is told", () => told.length === 1 && unknown.length === 1);
    ready = false;
    await until("it is not ready", () => told.length === 2);
    ready = true;
    await until("it is ready again", () => told.length === 3);
    await world[Symbol.asyncDispose]();
    await ended;
    assert.deepEqual(told, [Status.SERVING, Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
    assert.deepEqual(unknown, [Status.SERVICE_UNKNOWN]);
    sessionManager.abort();
  });

  test("has so many watches at a time and no more, and one that ends leaves its place", async () => {
    const clock = createFakeClock();
    const { watch } = createHealthService({ services: [], isServing: () => true, clock });
    const gone = new AbortController();
    const open = () => watch({ service: "" } as never, { signal: gone.signal } as never)[Symbol.asyncIterator]();
    const watches = Array.from({ length: mostWatches }, open);
    for (const each of watches) await each.next();
    await assert.rejects(open().next(), { code: Code.ResourceExhausted });
    await watches[0]?.return?.();
    assert.deepEqual(await open().next(), { done: false, value: { status: Status.SERVING } });
  });
});
