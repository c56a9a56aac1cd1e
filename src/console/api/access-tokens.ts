/** The part of `AccessService` that is about tokens for programs. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { Clock } from "../../base/clock.ts";
import {
  type AccessService,
  type Token as TokenMessage,
  TokenSchema,
} from "../../gen/fairlead/console/v1/access_service_pb.ts";
import { milliTimeText } from "../../kube/time.ts";
import { othersKey } from "../access/guard.ts";
import { toRoleBinding } from "../access/refusal.ts";
import { ownerKey, type Principal } from "../auth/principal.ts";
import { describeRoles, fromRoleBinding, holdsAll } from "../auth/role-bindings.ts";
import { looksLikeToken } from "../auth/token.ts";
import type { Token } from "../auth/token-record.ts";
import type { Tokens } from "../auth/tokens.ts";
import type { Users } from "../auth/users.ts";
import { callerOf } from "./access-caller.ts";
import { tokenList } from "./access-lists.ts";
import type { Listing } from "./listing.ts";

export interface TokenHandlersDeps {
  readonly tokens: Tokens;
  readonly users: Pick<Users, "get">;
  readonly clock: Clock;
}

/** 90 days: long enough to be of use, short enough that what is forgotten ends. */
const usualSeconds = 90 * 24 * 60 * 60;

type Handlers = Pick<ServiceImpl<typeof AccessService>, "listTokens" | "createToken" | "revokeToken">;

export function tokenHandlers({ tokens, users, clock }: TokenHandlersDeps, listing: Listing): Handlers {
  function isOwn(caller: Principal, token: Token): boolean {
    const owner = ownerOfToken(token, users);
    return owner !== undefined && owner === ownerKey(caller);
  }

  /** Those that are the caller's to see and to end. */
  function seenBy({ values }: Pick<HandlerContext, "values">): Token[] {
    const caller = callerOf({ values });
    return tokens.list().filter((token) => values.get(othersKey) || isOwn(caller, token));
  }

  /** The token that makes another, which is to have its owner and to end no later. */
  function makerOf(caller: Principal): Token | undefined {
    return caller.kind === "token" ? tokens.list().find(({ id }) => caller.credential === `token:${id}`) : undefined;
  }

  /** The user whose the token is to be; undefined for one that stands by itself. Throws for who can have neither. */
  function ownerOf(
    caller: Principal,
    o: { readonly withoutOwner: boolean; readonly isForOthers: boolean },
  ): Token["owner"] {
    const { withoutOwner, isForOthers } = o;
    const user = caller.kind === "user" ? users.get(caller.name) : makerOf(caller)?.owner;
    if (user && !(withoutOwner && caller.kind === "user")) return { name: user.name, createdAt: user.createdAt };
    if (isForOthers) return undefined;
    const message = user
      ? "Only an admin makes tokens that go on without them."
      : "Only users of this agent make tokens of their own, since it knows of no other when they may no longer. Ask an admin for one.";
    throw new ConnectError(message, Code.PermissionDenied);
  }

  return {
    listTokens(request, context) {
      const { items, ...page } = listing(tokenList, seenBy(context), request);
      return { ...page, tokens: items.map((token) => toToken(token, tokens)) };
    },

    async createToken({ name, description, roles: asked, lifetimeSeconds, withoutOwner }, context) {
      const caller = callerOf(context);
      const roles = asked.map(fromRoleBinding);
      if (!holdsAll(caller.roles, roles)) {
        const message = `A token may no more than who makes it. You are ${describeRoles(caller.roles)}.`;
        throw new ConnectError(message, Code.PermissionDenied);
      }
      const owner = ownerOf(caller, { withoutOwner, isForOthers: context.values.get(othersKey) });
      const wishedMs = clock.now() + (Number(lifetimeSeconds) || usualSeconds) * 1_000;
      const expiresAt = Math.min(wishedMs, makerOf(caller)?.expiresAt ?? wishedMs);
      const wanted = { name, description, roles, expiresAt, createdBy: caller.name, owner };
      const made = await tokens.create(wanted, context.signal);
      if (made === "exists") {
        throw new ConnectError(`There is a token called ${name}. Revoke it, or take another name.`, Code.AlreadyExists);
      }
      if (made === "full") {
        throw new ConnectError(
          "There are too many tokens, of yours or in all. Revoke some that nobody uses.",
          Code.ResourceExhausted,
        );
      }
      return { token: toToken(made.token, tokens), secret: made.secret.reveal() };
    },

    async revokeToken({ token: said }, context) {
      const seen = seenBy(context);
      // People give the token itself, which is not to be said again.
      if (looksLikeToken(said)) {
        const given = seen.find(({ id }) => id === tokens.find(said)?.id);
        if (given && (await tokens.revoke(given.id, context.signal))) return { id: given.id };
        throw new ConnectError("There is no such token of yours.", Code.NotFound);
      }
      const named = seen.filter(({ name }) => name === said);
      const active = named.filter((token) => tokens.rolesOf(token).length > 0);
      const found = seen.find(({ id }) => id === said) ?? (named.length > 1 ? only(active) : only(named));
      if (!found && named.length > 1) {
        const ids = named.map(({ id }) => id).join(", ");
        throw new ConnectError(
          `Several tokens are called ${said}. Say which by its id: ${ids}.`,
          Code.FailedPrecondition,
        );
      }
      if (!found || !(await tokens.revoke(found.id, context.signal))) {
        throw new ConnectError(`There is no token ${JSON.stringify(said)} of yours.`, Code.NotFound);
      }
      return { id: found.id };
    },
  };
}

function only<T>(of: readonly T[]): T | undefined {
  return of.length === 1 ? of[0] : undefined;
}

/** As `ownerKey` says it. A name alone would not do: a user may be deleted, and another be called the same. */
export function ownerOfToken({ owner }: Token, users: Pick<Users, "get">): string | undefined {
  if (!owner || users.get(owner.name)?.createdAt !== owner.createdAt) return undefined;
  return ownerKey({ kind: "user", name: owner.name });
}

export function toToken(token: Token, tokens: Pick<Tokens, "rolesOf">): TokenMessage {
  const { id, name, description, roles, createdAt, createdBy, expiresAt, usedAt, owner } = token;
  return create(TokenSchema, {
    id,
    name,
    description,
    roles: roles.map(toRoleBinding),
    createdAt: milliTimeText(createdAt),
    createdBy,
    expiresAt: milliTimeText(expiresAt),
    lastUsedAt: usedAt === undefined ? "" : milliTimeText(usedAt),
    owner: owner?.name ?? "",
    active: tokens.rolesOf(token).length > 0,
  });
}
