/** Who presents these credentials: by each of the ways to sign in, one after the other. */
import type { Presented } from "./presented.ts";
import type { Principal } from "./principal.ts";
import { bearerToken } from "./token.ts";

/** One way to sign in. */
export interface Way {
  /**
   * Undefined when nothing of this way is presented, or nothing that is known. Rejects when it cannot be found out, with a ConnectError
   * that says why; nobody is let in then.
   */
  authenticate(presented: Presented, signal: AbortSignal): Promise<Principal | undefined>;
  /** Of credentials by which nobody is known: what has become of them, where this way knew them. For who presents them alone. */
  whyNot?(presented: Pick<Presented, "authorization">): string | undefined;
  /** Whose credential this is now, with what they may do now; undefined when it has ended, and when it is another way's. */
  present(credential: string): Principal | undefined;
}

export interface Authenticator extends Way {
  /** What is wrong with the credentials of somebody who is not known. */
  whyNot(presented: Pick<Presented, "authorization">): string;
}

/** The first that knows whose it is has the word. */
export function createAuthenticator(ways: readonly Way[]): Authenticator {
  return {
    async authenticate(presented, signal) {
      for (const way of ways) {
        const principal = await way.authenticate(presented, signal);
        if (principal) return principal;
      }
      return undefined;
    },
    whyNot(presented) {
      for (const way of ways) {
        const why = way.whyNot?.(presented);
        if (why !== undefined) return why;
      }
      if (presented.authorization === undefined) return "This needs a bearer token.";
      return bearerToken(presented.authorization) === undefined
        ? 'What is in Authorization is no bearer token, as in "Bearer flt_…".'
        : "This token is not valid here.";
    },
    present(credential) {
      for (const way of ways) {
        const principal = way.present(credential);
        if (principal) return principal;
      }
      return undefined;
    },
  };
}

/** What to tell somebody without credentials. */
export const howToSignIn =
  "`fairlead token create` makes tokens for programs. The administrator's is in the Secret fairlead-admin-token in the agent's namespace, where the fairlead command finds it through your kubeconfig.";
