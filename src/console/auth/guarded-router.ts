import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, Interceptor } from "@connectrpc/connect";
import { Scope } from "../../gen/fairlead/console/v1/access_pb.ts";
import { accessOf } from "../access/access-of.ts";

/** Bytes of a message that are read of who has not signed in, where somebody may call who has not. */
const largestStrangerBytes = 8 * 1024;

/**
 * A router behind which every service has these guards first. A service's own interceptors are added to them; given to the router
 * underneath they would replace its interceptors, and authentication with them. Throws for a method that does not say what it needs.
 */
export function guardRouter(
  router: ConnectRouter,
  guards: {
    readonly interceptors: readonly Interceptor[];
    /** Before anything of a message is read. */
    readonly gate?: (context: HandlerContext) => Promise<void>;
  },
): ConnectRouter {
  const behindGuards = <O extends { interceptors?: Interceptor[] }>(
    methods: readonly DescMethod[],
    options: O | undefined,
  ) => {
    const isOpen = methods.map((method) => accessOf(method).scope === Scope.EVERYBODY).includes(true);
    return {
      ...options,
      ...(isOpen && { readMaxBytes: largestStrangerBytes }),
      ...(guards.gate && { requestGate: guards.gate }),
      interceptors: [...guards.interceptors, ...(options?.interceptors ?? [])],
    };
  };
  const guarded: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      router.service(service, implementation, behindGuards(service.methods, options));
      return guarded;
    },
    rpc(method, implementation, options) {
      router.rpc(method, implementation, behindGuards([method], options));
      return guarded;
    },
  };
  return guarded;
}
