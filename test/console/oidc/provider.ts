/** A real provider of OpenID Connect on this machine: whoever comes is signed in at it as the test says, without a form. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";

export interface TestProvider extends AsyncDisposable {
  readonly issuer: string;
  /** Where it sends people back to; nobody can sign in before. */
  register(redirectUris: readonly string[]): void;
  /** Who signs in next. */
  person: { sub: string; [claim: string]: unknown };
  /** What becomes of its answers at these paths, such as "/token", on their way. */
  readonly tampered: Map<string, (body: string) => string>;
  /** It does not answer any more. */
  stop(): Promise<void>;
}

export const clientId = "fairlead";
export const clientSecret = "the-client-s-own-secret-of-the-tests";

/** `tls` has it speak that, by a certificate of its own. */
export async function startProvider(tls?: { readonly key: string; readonly cert: string }): Promise<TestProvider> {
  const server = tls ? createSecureServer(tls) : createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `${tls ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tampered = new Map<string, (body: string) => string>();
  const state = { person: { sub: "1", preferred_username: "ana", groups: ["staff"] } as TestProvider["person"] };
  const configuration = {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        token_endpoint_auth_method: "client_secret_post",
      },
    ],
    claims: { openid: ["sub"], profile: ["preferred_username", "groups", "email", "email_verified"] },
    conformIdTokenClaims: false,
    cookies: { keys: ["of the tests"] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    pkce: { required: () => true },
    findAccount: (_context: unknown, sub: string) => ({ accountId: sub, claims: () => ({ ...state.person, sub }) }),
  };

  function register(redirectUris: readonly string[]): void {
    const clients = configuration.clients.map((client) => ({ ...client, redirect_uris: redirectUris }));
    const provider = new Provider(issuer, { ...configuration, clients, loadExistingGrant: grantAll });

    async function grantAll({ oidc: { client, session } }: GrantContext): Promise<object> {
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope("openid profile");
      await grant.save();
      return grant;
    }

    const serve = provider.callback();
    server.on("request", (req, res) => answer(req, res, provider, serve));
  }

  function answer(req: IncomingMessage, res: ServerResponse, provider: Provider, serve: RequestListener): void {
    const path = new URL(req.url ?? "/", issuer).pathname;
    const change = tampered.get(path);
    if (change) changing(res, change);
    if (path.startsWith("/interaction/")) {
      void provider.interactionFinished(req, res, { login: { accountId: state.person.sub } });
    } else serve(req, res);
  }

  async function stop(): Promise<void> {
    if (!server.listening) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  return {
    issuer,
    register,
    tampered,
    get person() {
      return state.person;
    },
    set person(person) {
      state.person = person;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface GrantContext {
  readonly oidc: { readonly client: { readonly clientId: string }; readonly session: { readonly accountId: string } };
}

function changing(res: ServerResponse, change: (body: string) => string): void {
  const end = res.end.bind(res);
  Reflect.set(res, "end", (body?: string | Buffer) => {
    const changed = change(body?.toString() ?? "");
    res.setHeader("Content-Length", Buffer.byteLength(changed));
    return end(changed);
  });
}
