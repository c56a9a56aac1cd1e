import type { ConnectRouter, Interceptor } from "@connectrpc/connect";

/**
 * A router behind which every service has these interceptors first. A service's own are added to them; given to the router
 * underneath they would replace its interceptors, and authentication with them.
 */
export function guardRouter(router: ConnectRouter, guards: readonly Interceptor[]): ConnectRouter {
  const behindGuards = <O extends { interceptors?: Interceptor[] }>(options: O | undefined) => ({
    ...options,
    interceptors: [...guards, ...(options?.interceptors ?? [])],
  });
  const guarded: ConnectRouter = {
    handlers: router.handlers,
    service(service, implementation, options) {
      router.service(service, implementation, behindGuards(options));
      return guarded;
    },
    rpc(method, implementation, options) {
      router.rpc(method, implementation, behindGuards(options));
      return guarded;
    },
  };
  return guarded;
}
