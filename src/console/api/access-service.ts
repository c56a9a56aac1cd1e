/** `AccessService`: who may use this agent, by what, and as what. */
import { createHash } from "node:crypto";
import { create, type DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type AccessService,
  CreateUserRequestSchema,
  type User as UserMessage,
  UserSchema,
} from "../../gen/fairlead/console/v1/access_service_pb.ts";
import { toRoleBinding } from "../access/refusal.ts";
import { adminTokenName } from "../auth/admin-token.ts";
import type { Principal, RoleBinding } from "../auth/principal.ts";
import { describeRoles, formatRoles, fromRoleBinding, holdsAll } from "../auth/role-bindings.ts";
import type { User } from "../auth/user-record.ts";
import type { Users } from "../auth/users.ts";
import { tryLater } from "../try-later.ts";
import { callerKinds, callerOf } from "./access-caller.ts";
import { roleList, userList } from "./access-lists.ts";
import { type KnownSessions, sessionHandlers } from "./access-sessions.ts";
import { type TokenHandlersDeps, tokenHandlers } from "./access-tokens.ts";
import { brokenRule } from "./broken-rule.ts";
import type { Listing } from "./listing.ts";
import { roleDescriptions } from "./roles.ts";
import { changedMeanwhile } from "./seen-changes.ts";

/** What others are called who are no users. */
const reserved: readonly string[] = [adminTokenName, "public", "unknown", "agent", "token"];

export interface AccessServiceDeps extends TokenHandlersDeps {
  readonly users: Users;
  readonly sessions: KnownSessions;
}

export function createAccessService(
  deps: AccessServiceDeps,
  listing: Listing,
  services: () => readonly DescService[],
): ServiceImpl<typeof AccessService> {
  const { users, tokens } = deps;
  /** Names of the tokens that count, were made by this user and stand by themselves. */
  const tokensLeftBy = (name: string): string[] =>
    tokens
      .list()
      .filter((token) => token.createdBy === name && !token.owner && tokens.rolesOf(token).length > 0)
      .map((token) => token.name);
  return {
    ...tokenHandlers(deps, listing),
    ...sessionHandlers(deps.sessions, listing),

    whoAmI(_request, context) {
      const { name, kind, roles, mustChangePassword = false } = callerOf(context);
      return { name, kind: callerKinds[kind], roles: roles.map(toRoleBinding), mustChangePassword };
    },

    listRoles(request) {
      const { items, ...page } = listing(roleList, roleDescriptions(services()), request);
      return { ...page, roles: items };
    },

    listUsers(request) {
      const { items, ...page } = listing(userList, users.list(), request);
      return { ...page, users: items.map(toUser) };
    },

    async createUser({ name, roles: asked }, context) {
      const caller = callerOf(context);
      const roles = asked.map(fromRoleBinding);
      requireHeld(caller, roles);
      if (reserved.includes(name)) {
        const message = `The audit calls somebody else ${name}. Take another name.`;
        throw brokenRule(CreateUserRequestSchema, { path: "name", rule: "name.reserved", message });
      }
      const made = await users.create({ name, roles, by: caller.name }, context.signal);
      if (made === "exists") throw new ConnectError(`There is a user called ${name} already.`, Code.AlreadyExists);
      if (made === "full") throw new ConnectError("There are too many users.", Code.ResourceExhausted);
      if (made === "busy") throw tooBusy();
      return { user: toUser(made.user), password: made.password.reveal() };
    },

    async updateUser({ name, roles: asked, disabled, version }, context) {
      const caller = callerOf(context);
      const before = requireUser(users, name);
      const roles = asked?.values.map(fromRoleBinding);
      requireHeld(caller, before.roles);
      if (roles) requireHeld(caller, roles);
      if (isSelf(caller, before) && (disabled || (roles && !holdsAll(roles, before.roles)))) throw onOneself();
      const check = (present: User): void => {
        if (version !== "" && versionOfUser(present) !== version) throw changedMeanwhile(`user ${name}`);
      };
      const user = await users.update(name, { roles, disabled, check }, context.signal);
      if (!user) throw noSuchUser(name);
      return { user: toUser(user), tokensLeft: tokensLeftBy(name) };
    },

    async resetPassword({ name }, context) {
      const caller = callerOf(context);
      const before = requireUser(users, name);
      requireHeld(caller, before.roles);
      const password = await users.resetPassword(name, context.signal);
      if (password === "busy") throw tooBusy();
      if (!password) throw noSuchUser(name);
      // Whoever had the password may have made them.
      await tokens.revokeOf(name, context.signal);
      return { password: password.reveal(), tokensLeft: tokensLeftBy(name) };
    },

    async deleteUser({ name }, context) {
      const caller = callerOf(context);
      const before = requireUser(users, name);
      requireHeld(caller, before.roles);
      if (isSelf(caller, before)) throw onOneself();
      if (!(await users.delete(name, context.signal))) throw noSuchUser(name);
      await tokens.revokeOf(name, context.signal);
      return { tokensLeft: tokensLeftBy(name) };
    },
  };
}

/** Whoever gives a role, or takes the place of who has it, holds it. */
function requireHeld(caller: Principal, roles: readonly RoleBinding[]): void {
  if (holdsAll(caller.roles, roles)) return;
  const message = `Nobody decides over more than they may themselves. You are ${describeRoles(caller.roles)}.`;
  throw new ConnectError(message, Code.PermissionDenied);
}

function requireUser(users: Pick<Users, "get">, name: string): User {
  const user = users.get(name);
  if (!user) throw noSuchUser(name);
  return user;
}

function isSelf(caller: Principal, user: User): boolean {
  return caller.kind === "user" && caller.name === user.name;
}

function onOneself(): ConnectError {
  const message = "Nobody takes their own rights, so that somebody is left who has them. Ask another admin.";
  return new ConnectError(message, Code.FailedPrecondition);
}

function noSuchUser(name: string): ConnectError {
  return new ConnectError(`There is no user called ${JSON.stringify(name)}.`, Code.NotFound);
}

function tooBusy(): ConnectError {
  return tryLater("Too many passwords are being made or checked now.", { seconds: 2 });
}

/** Another one after each change of what others decide about them, and the same after one of their password. */
function versionOfUser({ createdAt, roles, disabled }: User): string {
  const decided = JSON.stringify([createdAt, formatRoles(roles), disabled]);
  return createHash("sha256").update(decided).digest("base64url").slice(0, 22);
}

export function toUser(user: User): UserMessage {
  const { name, roles, disabled, mustChangePassword, createdAt, createdBy, passwordSetAt } = user;
  return create(UserSchema, {
    name,
    roles: roles.map(toRoleBinding),
    disabled,
    mustChangePassword,
    createdAt: new Date(createdAt).toISOString(),
    createdBy,
    passwordSetAt: new Date(passwordSetAt).toISOString(),
    version: versionOfUser(user),
  });
}
