/** All the ways in of people and of the cluster's own, put together: sessions, a provider, tokens of Kubernetes. */
import type { Interceptor } from "@connectrpc/connect";
import type { FastifyInstance } from "fastify";
import type { AuditEntry } from "../../audit/entry.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { ReviewToken } from "../../kube/token-review.ts";
import type { Passwords, SignInServiceDeps } from "../api/sign-in-service.ts";
import type { Way } from "../auth/authenticator.ts";
import type { KeptSecrets } from "../auth/kept-secrets.ts";
import { createKubernetesWay } from "../auth/kubernetes-token.ts";
import type { Principal } from "../auth/principal.ts";
import { type RoleRule, rolesOf } from "../auth/role-rules.ts";
import { nameOf, parseSessionRecord, type SessionOwner } from "../auth/session-record.ts";
import { createSessions, type Sessions } from "../auth/sessions.ts";
import { userPrincipal } from "../auth/user-record.ts";
import { createOidc, type OidcSettings } from "../oidc/provider.ts";
import { oidcPath, registerOidcRoutes } from "./oidc-routes.ts";
import { createSessionWay, refreshCookies } from "./session-way.ts";

/** What the operator has said of it. */
export interface SignInSettings {
  readonly oidc: (OidcSettings & { readonly name: string; readonly roles: readonly RoleRule[] }) | undefined;
  /** Of the cluster's own tokens; without rules none counts, and nobody is asked. */
  readonly kubernetes: { readonly review: ReviewToken; readonly roles: readonly RoleRule[] } | undefined;
}

export interface SignInDeps {
  readonly settings: SignInSettings;
  readonly kept: Pick<KeptSecrets, "of">;
  /** Absent where nobody has a password. */
  readonly users?: (Passwords & { get(name: string): KnownUser | undefined }) | undefined;
  /** Where people reach the console over TLS, as the operator says. */
  readonly consoleUrl: string | undefined;
  readonly audit: { record(entry: AuditEntry): unknown };
  readonly clock: Clock;
  readonly log: Log;
}

/** A user as they are now. */
interface KnownUser extends Pick<Principal, "name" | "roles"> {
  readonly stamp: string;
  readonly disabled: boolean;
  readonly mustChangePassword: boolean;
}

export interface SignIn {
  readonly ways: readonly Way[];
  readonly sessions: Sessions;
  readonly service: SignInServiceDeps;
  /** Keeps the cookies of who has signed in fresh; around every call, after it is known who calls. */
  readonly refresh: Interceptor;
  /** The pages of the provider's way. */
  routes(app: FastifyInstance): void;
  close(): Promise<void>;
}

export function createSignIn(deps: SignInDeps): SignIn {
  const { users, consoleUrl, audit, clock, log } = deps;
  const { oidc, kubernetes } = deps.settings;
  const sessions = createSessions({
    kept: deps.kept.of("session", parseSessionRecord),
    principalOf: (owner, credential) => principalOf(deps, owner, credential),
    onReplay: ({ user }) =>
      audit.record({
        action: "session.end",
        actor: { person: user },
        target: user,
        verdict: "denied",
        rule: "session/replayed",
        message: "Two have come with the cookie of one.",
      }),
    clock,
    log,
  });
  const way = { sessions, consoleUrl, log };
  return {
    ways: [
      createSessionWay(way),
      ...(kubernetes && kubernetes.roles.length > 0
        ? [createKubernetesWay({ review: kubernetes.review, rules: kubernetes.roles, clock })]
        : []),
    ],
    sessions,
    service: {
      users,
      sessions,
      provider: oidc && { name: oidc.name, path: oidcPath },
      consoleUrl,
      audit,
      clock,
    },
    refresh: refreshCookies(way),
    routes(app) {
      if (!oidc) return;
      registerOidcRoutes(app, {
        oidc: createOidc({ settings: oidc, clock }),
        ownerOf: ({ name, groups }) => {
          if (rolesOf(oidc.roles, { user: name, groups }).length === 0) return undefined;
          const named = new Set(oidc.roles.map(({ group }) => group));
          return { kind: "oidc", name, issuer: oidc.issuer, groups: groups.filter((group) => named.has(group)) };
        },
        sessions,
        consoleUrl,
        onSignIn({ person: name, refused }) {
          // Whom the provider does not know either is in the log alone: strangers must not fill the audit.
          if (name === "") return;
          const person = nameOf({ kind: "oidc", name });
          const verdict = refused === undefined ? "done" : "denied";
          const rule = refused === undefined ? {} : { rule: `oidc/${refused}` };
          audit.record({ action: "session.begin", actor: { person }, target: person, verdict, ...rule });
        },
        clock,
        log,
      });
    },
    close: () => sessions.close(),
  };
}

/** Who that is now: what they may is what the user has been given, or what the rules give. */
function principalOf({ users, settings }: SignInDeps, owner: SessionOwner, credential: string): Principal | undefined {
  if (owner.kind === "user") {
    const user = users?.get(owner.name);
    if (!user || user.disabled || user.stamp !== owner.stamp) return undefined;
    return userPrincipal(user, credential);
  }
  const { oidc } = settings;
  if (!oidc || oidc.issuer !== owner.issuer) return undefined;
  const roles = rolesOf(oidc.roles, { user: owner.name, groups: owner.groups });
  return roles.length === 0 ? undefined : { name: nameOf(owner), kind: "oidc", roles, credential };
}
