/** Whose a bearer token is, as the cluster's own API server says: one of its service accounts, or whom else it knows. */
import type { KubeClient } from "./client.ts";
import { tokenReviews } from "./resources.ts";

export interface TokenOwner {
  readonly username: string;
  readonly groups: readonly string[];
}

/** Undefined for a token that the API server does not know, or that is not for this audience. Rejects with a `KubeError`. */
export type ReviewToken = (token: string, signal: AbortSignal) => Promise<TokenOwner | undefined>;

export function createReviewToken(deps: { client: Pick<KubeClient, "create">; audience: string }): ReviewToken {
  const { client, audience } = deps;
  return async (token, signal) => {
    const asked = { metadata: {}, spec: { token, audiences: [audience] } };
    const { status } = await client.create(tokenReviews, asked, signal);
    // An authenticator that knows of no audiences says yes to a token for whomever; it then names none in its answer.
    if (status?.authenticated !== true || !status.audiences?.includes(audience)) return undefined;
    const { username, groups } = status.user ?? {};
    return username === undefined || username === "" ? undefined : { username, groups: groups ?? [] };
  };
}
