/** Who presents these credentials: by each of the ways to sign in, one after the other. */
import type { Presented } from "./presented.ts";
import type { Principal } from "./principal.ts";

/** One way to sign in. */
export interface Way {
  /**
   * Undefined when nothing of this way is presented, or nothing that is known. Rejects when it cannot be found out, with a ConnectError
   * that says why; nobody is let in then.
   */
  authenticate(presented: Presented, signal: AbortSignal): Promise<Principal | undefined>;
  /** Whose credential this is now, with what they may do now; undefined when it has ended, and when it is another way's. */
  present(credential: string): Principal | undefined;
}

export type Authenticator = Way;

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
  "The token of the administrator is in the Secret fairlead-admin-token in the agent's namespace; the CLI finds it through your kubeconfig, or takes --token.";

/** What is wrong with the credentials of somebody who is not known. */
export function whyUnknown({ authorization }: Pick<Presented, "authorization">): string {
  return authorization === undefined ? "This needs a bearer token." : "This token is not valid here.";
}
