/**
 * The way in for what runs in the cluster, and for people of it: a token of Kubernetes that was made for this agent, as by
 * `kubectl create token NAME --audience fairlead.dev`. The API server says whose it is; the settings, what they may do.
 */

import { createHash } from "node:crypto";
import { Code } from "@connectrpc/connect";
import { BoundedMap } from "../../base/bounded-map.ts";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import { createNetworkLimits } from "../../base/network-limits.ts";
import { networkOf } from "../../base/network-of.ts";
import { SecretText } from "../../base/secret-text.ts";
import type { ReviewToken, TokenOwner } from "../../kube/token-review.ts";
import { tryLater } from "../try-later.ts";
import type { Way } from "./authenticator.ts";
import { audience, readClaims } from "./jwt-claims.ts";
import type { Principal } from "./principal.ts";
import { type RoleRule, rolesOf } from "./role-rules.ts";
import { bearerToken } from "./token.ts";

export interface KubernetesWayDeps {
  readonly review: ReviewToken;
  readonly rules: readonly RoleRule[];
  readonly clock: Clock;
}

/** What the API server has said holds for so long, in milliseconds: a yes, and a no. */
const goodMs = 30_000;
const badMs = 5_000;
/** Where the API server does not answer, what runs under a token goes on for so long after the last yes, in milliseconds. */
const withoutAnswerMs = 300_000;
/** Tokens that are remembered, of either kind. */
const mostGood = 1_000;
const mostBad = 1_000;
/**
 * How often this agent asks about tokens that it has never known as good: from one network, and from all. Who comes from where a good one
 * has come from does not share with strangers.
 */
const limits = { each: { burst: 20, perSecond: 5 }, all: { burst: 50, perSecond: 20 } };
/** Networks from which a good token has come; the one goes of which that is longest ago. */
const mostFriendly = 1_000;
/** After the API server did not answer about a token, it is asked about that again after so long, in milliseconds. */
const againMs = 5_000;
const askMs = 10_000;

/** What is known of a token that was good once. */
interface Known {
  readonly token: SecretText;
  readonly owner: TokenOwner;
  /** When the API server said so, by the clock that never jumps. */
  readonly at: number;
  /** When it was asked in vain since then. */
  failedAt?: number;
  /** When it ends, in wall time. */
  readonly expires: number;
}

export function createKubernetesWay({ review, rules, clock }: KubernetesWayDeps): Way {
  const good = new BoundedMap<string, Known>(mostGood);
  const bad = new BoundedMap<string, number>(mostBad);
  const asking = new Map<string, Promise<Known | undefined>>();
  const strangers = createNetworkLimits({ clock, ...limits });
  const acquaintances = createNetworkLimits({ clock, ...limits });
  const friendly = new BoundedMap<string, true>(mostFriendly);

  /** What the API server says now. All who ask of one token meanwhile get one answer. */
  function ask(hash: string, token: SecretText, expires: number): Promise<Known | undefined> {
    const before = asking.get(hash);
    if (before) return before;
    const work = review(token.reveal(), AbortSignal.timeout(askMs)).then((owner) => {
      good.delete(hash);
      if (!owner) return void bad.set(hash, clock.monotonic());
      const known = { token, owner, at: clock.monotonic(), expires };
      good.set(hash, known);
      return known;
    });
    work.catch(() => {
      const known = good.get(hash);
      if (known) known.failedAt = clock.monotonic();
    });
    const shared = work.finally(() => asking.delete(hash));
    asking.set(hash, shared);
    return shared;
  }

  return {
    async authenticate({ authorization, address = "" }, signal) {
      const token = bearerToken(authorization);
      const claims = token === undefined ? undefined : readClaims(token);
      // Most of what is no token for here is known as such without a question.
      if (token === undefined || !claims?.audiences.includes(audience) || claims.expires <= clock.now())
        return undefined;
      const hash = createHash("sha256").update(token).digest("base64url");
      const known = good.get(hash);
      if (known && (isFresh(known) || wasAskedInVain(known))) return standing(hash, known);
      const refusedAt = bad.get(hash);
      if (refusedAt !== undefined && clock.monotonic() - refusedAt < badMs) return undefined;
      const limit = friendly.has(networkOf(address)) ? acquaintances : strangers;
      if (!known && !asking.has(hash) && !limit.take(address)) {
        throw tryLater("Too many unknown tokens at the moment. Try again in a second.", { seconds: 1 });
      }
      signal.throwIfAborted();
      try {
        const now = await ask(hash, new SecretText(token), claims.expires);
        if (now) friendly.set(networkOf(address), true);
        return now && principalOf(hash, now);
      } catch (error) {
        if (known && isLasting(known)) return standing(hash, known);
        const message = `The cluster does not say whose this token is: ${errorText(error)}`;
        throw tryLater(message, { seconds: badMs / 1_000, code: Code.Unavailable, cause: error });
      }
    },

    present(credential) {
      const hash = credential.startsWith(prefix) ? credential.slice(prefix.length) : "";
      const known = good.get(hash);
      if (!known || known.expires <= clock.now()) return undefined;
      // Whoever asks this does so again soon, and then knows the answer.
      if (!isFresh(known) && !wasAskedInVain(known)) ask(hash, known.token, known.expires).catch(() => undefined);
      return standing(hash, known);
    },
  };

  function isFresh({ at }: Known): boolean {
    return clock.monotonic() - at < goodMs;
  }

  function isLasting({ at }: Known): boolean {
    return clock.monotonic() - at < withoutAnswerMs;
  }

  /** So lately that the API server is let alone; what it said last counts as long as that may. */
  function wasAskedInVain({ failedAt }: Known): boolean {
    return failedAt !== undefined && clock.monotonic() - failedAt < againMs;
  }

  function standing(hash: string, known: Known): Principal | undefined {
    return isLasting(known) ? principalOf(hash, known) : undefined;
  }

  /** Each pod can have a token for this audience: whom no rule names is nobody here. */
  function principalOf(hash: string, { owner }: Known): Principal | undefined {
    const { username, groups } = owner;
    const roles = rolesOf(rules, { user: username, groups });
    if (roles.length === 0) return undefined;
    return { name: prefix + username, kind: "kubernetes", roles, credential: prefix + hash };
  }
}

const prefix = "kubernetes:";
