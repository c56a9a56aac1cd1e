/** The services that anybody may call who reaches the port: they tell of it and of its protos, and of nothing that is kept. */
import type { DescService } from "@bufbuild/protobuf";
import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { Clock } from "../../base/clock.ts";
import { Scope } from "../../gen/fairlead/console/v1/access_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { accessOf } from "../access/access-of.ts";
import { describeServices } from "./descriptors.ts";
import { createHealthService, type HealthServiceDeps } from "./health-service.ts";
import { createReflectionService } from "./reflection-service.ts";

export interface AnyoneServices {
  routes(router: ConnectRouter): void;
  /** Whether the path is of one of them. */
  claims(url: string | undefined): boolean;
  /** Of all methods that anybody may call, those of other services among them. */
  readonly openPaths: ReadonlySet<string>;
}

export function createAnyoneServices(deps: {
  /** Says which services there are beside these. */
  readonly routes: (router: ConnectRouter) => void;
  readonly isServing: HealthServiceDeps["isServing"];
  readonly clock: Clock;
}): AnyoneServices {
  const { isServing, clock } = deps;
  const own = [Health, ServerReflection, ServerReflectionAlpha];
  const services = [...servicesOf(deps.routes), ...own];
  const reflection = createReflectionService({ descriptors: describeServices(services), clock });
  const names = services.map(({ typeName }) => typeName);
  return {
    openPaths: new Set(
      services
        .flatMap(({ methods }) => methods)
        .filter((method) => accessOf(method).scope === Scope.EVERYBODY)
        .map(({ parent, name }) => `/${parent.typeName}/${name}`),
    ),
    claims: (url = "") => own.some(({ typeName }) => url.startsWith(`/${typeName}/`)),
    routes(router) {
      router.service(Health, createHealthService({ services: names, isServing, clock }));
      router.service(ServerReflection, reflection);
      router.service(ServerReflectionAlpha, reflection);
    },
  };
}

function servicesOf(routes: (router: ConnectRouter) => void): DescService[] {
  const router = createConnectRouter();
  routes(router);
  return [...new Set(router.handlers.map(({ service }) => service))];
}
