/** Who presents these credentials. Sign-in by password, OIDC and Kubernetes tokens will be further ways in. */
import { createHash } from "node:crypto";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { type Principal, principalKey } from "./principal.ts";
import { bearerToken, hashToken, isSameHash } from "./token.ts";

export interface Authenticator {
  /** Undefined when there are no credentials, or none that are known. */
  authenticate(authorization: string | undefined): Principal | undefined;
}

/** What people sign in by, as it is now. */
export interface Credentials {
  /** Whether the one of a principal still counts. */
  stands(credential: string): boolean;
}

/** Knows the administrator's token by its hash. */
export function createAuthenticator(o: { adminTokenHash: Buffer }): Authenticator & Credentials {
  const credential = createHash("sha256").update("credential").update(o.adminTokenHash).digest("base64url");
  return {
    stands: (asked) => asked === credential,
    authenticate(authorization) {
      const token = bearerToken(authorization);
      if (token === undefined || !isSameHash(hashToken(token), o.adminTokenHash)) return undefined;
      return { name: "admin", role: "admin", credential };
    },
  };
}

/** What to tell somebody without credentials. */
export const howToSignIn =
  "The token of the administrator is in the Secret fairlead-admin-token in the agent's namespace; the CLI finds it through your kubeconfig, or takes --token.";

/** Lets no RPC through without credentials, and tells the handler whose they are. */
export function requirePrincipal(authenticator: Authenticator): Interceptor {
  return (next) => (request) => {
    const authorization = request.header.get("authorization") ?? undefined;
    const principal = authenticator.authenticate(authorization);
    if (!principal) {
      const what = authorization === undefined ? "This needs a bearer token." : "This token is not valid here.";
      throw new ConnectError(`${what} ${howToSignIn}`, Code.Unauthenticated);
    }
    request.contextValues.set(principalKey, principal);
    return next(request);
  };
}
