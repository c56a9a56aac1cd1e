/** How people and programs sign in to the console, as it is configured. */
import { readFile } from "node:fs/promises";
import { SecretText } from "./base/secret-text.ts";
import type { Config } from "./config.ts";
import { audience } from "./console/auth/jwt-claims.ts";
import type { SignInSettings } from "./console/sign-in/sign-in.ts";
import type { KubeClient } from "./kube/client.ts";
import { createReviewToken } from "./kube/token-review.ts";

/** `cluster` is that of the agent, if it has one. Throws an Error that says what cannot be. */
export function signInSettings(config: Config, cluster: KubeClient | undefined): SignInSettings {
  const roles = config.console.kubernetes.roles;
  if (roles.length > 0 && cluster === undefined) {
    throw new Error("console.kubernetes.roles: this agent stands in no cluster that could say whose a token is.");
  }
  const kubernetes = cluster && { review: createReviewToken({ client: cluster, audience }), roles };
  return { oidc: oidcSettings(config), kubernetes };
}

function oidcSettings(config: Config): SignInSettings["oidc"] {
  const issuer = config.console.oidc.issuer;
  const file = config.console.oidc.clientSecretFile;
  const caFile = config.console.oidc.caFile;
  const scopes = config.console.oidc.scopes;
  const roles = config.console.oidc.roles;
  if (issuer === undefined) {
    if (roles.length === 0 && file === undefined && caFile === undefined) return undefined;
    throw new Error("console.oidc.issuer: without it the other settings of console.oidc mean nothing.");
  }
  if (!scopes.split(/\s+/).includes("openid")) throw new Error("console.oidc.scopes: openid must be among them.");
  return {
    issuer,
    name: config.console.oidc.name,
    clientId: config.console.oidc.clientId,
    ...(file !== undefined && { clientSecret: () => readSecret(file) }),
    ...(caFile !== undefined && { ca: () => readFile(caFile, "utf8") }),
    scopes,
    usernameClaim: config.console.oidc.usernameClaim,
    groupsClaim: config.console.oidc.groupsClaim,
    trustEmail: config.console.oidc.trustEmail,
    roles,
  };
}

async function readSecret(file: string): Promise<SecretText> {
  return new SecretText((await readFile(file, "utf8")).trim());
}
