/**
 * Sign-in at a provider of OpenID Connect: an authorization code, with PKCE, a nonce and a state of each sign-in's own. What the
 * provider answers is verified by the library: the signature of the ID token too, which over TLS it would leave out.
 */
import * as oidc from "openid-client";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import type { SecretText } from "../../base/secret-text.ts";
import { type OidcPerson, readPerson } from "./claims.ts";
import { OidcError } from "./error.ts";
import { createProviderFetch } from "./provider-fetch.ts";

export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  /** Read anew for each sign-in, since it may rotate; absent for a public client. */
  clientSecret?(): Promise<SecretText>;
  /** Roots to trust instead of the public ones, as PEM; read anew for each request. */
  ca?(): Promise<string>;
  /** Separated by spaces; `openid` is among them. */
  readonly scopes: string;
  readonly usernameClaim: string;
  readonly groupsClaim: string;
  /** Whether an address is somebody's name of which the provider does not say that it is verified. */
  readonly trustEmail: boolean;
}

/** What a sign-in has to remember until the provider sends the browser back; for nobody but that browser. */
export interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

export interface Oidc {
  /** Where the browser goes. Rejects with an `OidcError`. */
  begin(redirectUri: string): Promise<{ readonly url: string; readonly pending: Pending }>;
  /** Who has come back with this query. Rejects with an `OidcError`. */
  finish(query: URLSearchParams, pending: Pending): Promise<OidcPerson>;
}

/** Of one request to the provider, in seconds. */
const timeoutSeconds = 10;
/** What the provider says of itself is asked again after so long, in milliseconds; after it was not to be had, after so long. */
const freshMs = 3_600_000;
const failedMs = 3_000;

export function createOidc(deps: { settings: OidcSettings; clock: Clock }): Oidc {
  const { settings, clock } = deps;
  const { issuer, clientId, scopes } = settings;
  let known:
    | { readonly config: Promise<oidc.Configuration>; readonly secret: string | undefined; until: number }
    | undefined;

  async function discover(secret: SecretText | undefined): Promise<oidc.Configuration> {
    const authentication = secret ? oidc.ClientSecretPost(secret.reveal()) : oidc.None();
    const execute = [oidc.enableNonRepudiationChecks];
    // The setting takes http:// of this machine only.
    if (new URL(issuer).protocol === "http:") execute.push(oidc.allowInsecureRequests);
    return oidc.discovery(new URL(issuer), clientId, undefined, authentication, {
      timeout: timeoutSeconds,
      execute,
      [oidc.customFetch]: createProviderFetch(settings.ca),
    });
  }

  async function configuration(): Promise<oidc.Configuration> {
    const secret = await settings.clientSecret?.();
    if (known && clock.monotonic() < known.until && known.secret === secret?.reveal()) return known.config;
    const now = { config: discover(secret), secret: secret?.reveal(), until: clock.monotonic() + freshMs };
    known = now;
    try {
      return await now.config;
    } catch (cause) {
      now.until = clock.monotonic() + failedMs;
      throw cause;
    }
  }

  async function reach(): Promise<oidc.Configuration> {
    try {
      return await configuration();
    } catch (cause) {
      throw new OidcError("provider-down", `The provider ${issuer} cannot be asked: ${reasonOf(cause)}`, { cause });
    }
  }

  return {
    async begin(redirectUri) {
      const config = await reach();
      const pending = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
        redirectUri,
      };
      const url = oidc.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope: scopes,
        state: pending.state,
        nonce: pending.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
        code_challenge_method: "S256",
      });
      return { url: url.href, pending };
    },

    async finish(query, { state, nonce, verifier, redirectUri }) {
      const config = await reach();
      const came = new URL(redirectUri);
      came.search = query.toString();
      try {
        const checks = {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        };
        const tokens = await oidc.authorizationCodeGrant(config, came, checks);
        return readPerson(tokens.claims() ?? {}, settings);
      } catch (cause) {
        if (cause instanceof OidcError) throw cause;
        if (isOutOfReach(cause)) {
          throw new OidcError("provider-down", `The provider ${issuer} does not answer: ${reasonOf(cause)}`, { cause });
        }
        throw new OidcError("refused", `The provider's word does not hold: ${reasonOf(cause)}`, { cause });
      }
    },
  };
}

/** Without what was sent or received: the library's words for it have no secrets. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
  return cause && isOutOfReach(error) ? errorText(cause) : errorText(error);
}

/** No answer, or none that is one: it may be otherwise in a moment. */
function isOutOfReach(error: unknown): boolean {
  if (error instanceof TypeError && error.message === "fetch failed") return true;
  const status = error instanceof Error && "status" in error ? error.status : undefined;
  if (typeof status === "number" && status >= 500) return true;
  return (
    error instanceof Error &&
    (error.name === "TimeoutError" || (error.cause !== undefined && isOutOfReach(error.cause)))
  );
}
