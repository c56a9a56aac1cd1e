import type { DescService } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { createValidateInterceptor } from "@connectrpc/validate";

/**
 * Refuses, with InvalidArgument, what breaks a rule of its proto, before any handler sees it. Services that judge by
 * themselves are left alone, for instance because they skip a later version's words, which the rules would not.
 */
export function validateRequests(judgingThemselves: readonly DescService[]): Interceptor {
  const validate = createValidateInterceptor();
  const exempt = new Set(judgingThemselves.map(({ typeName }) => typeName));
  return (next) => {
    const validated = validate(next);
    return (request) => (exempt.has(request.service.typeName) ? next(request) : validated(request));
  };
}
