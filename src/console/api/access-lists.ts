/** The lists of who signs in: by which fields they are selected and put in order. Pure. docs/lists.md tells them. */
import type { Role } from "../../gen/fairlead/console/v1/access_pb.ts";
import { milliTimeText } from "../../kube/time.ts";
import type { Token } from "../auth/token-record.ts";
import type { User } from "../auth/user-record.ts";
import type { ListOf } from "./listing.ts";

/** A browser in which somebody is signed in; times in milliseconds since 1970. */
export interface SessionView {
  readonly id: string;
  readonly user: string;
  readonly kind: "user" | "oidc";
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly expiresAt: number;
  readonly address: string;
  readonly userAgent: string;
}

export const roleList: ListOf<{ readonly role: Role; readonly name: string }> = {
  kind: "roles",
  key: ({ name }) => name,
  fields: { name: ({ name }) => name, role: ({ role }) => role },
  order: "role",
};

export const userList: ListOf<User> = {
  kind: "users",
  key: ({ name }) => name,
  fields: {
    name: ({ name }) => name,
    disabled: ({ disabled }) => disabled,
    mustChangePassword: ({ mustChangePassword }) => mustChangePassword,
    created: ({ createdAt }) => milliTimeText(createdAt),
    createdBy: ({ createdBy }) => createdBy,
  },
};

export const tokenList: ListOf<Token> = {
  kind: "tokens",
  key: ({ id }) => id,
  fields: {
    id: ({ id }) => id,
    name: ({ name }) => name,
    owner: ({ owner }) => owner?.name,
    created: ({ createdAt }) => milliTimeText(createdAt),
    createdBy: ({ createdBy }) => createdBy,
    expires: ({ expiresAt }) => milliTimeText(expiresAt),
    used: ({ usedAt }) => usedAt && milliTimeText(usedAt),
  },
  order: "created desc",
};

export const sessionList: ListOf<SessionView> = {
  kind: "browser sessions",
  key: ({ id }) => id,
  fields: {
    id: ({ id }) => id,
    user: ({ user }) => user,
    kind: ({ kind }) => kind,
    created: ({ createdAt }) => milliTimeText(createdAt),
    seen: ({ lastSeenAt }) => milliTimeText(lastSeenAt),
    expires: ({ expiresAt }) => milliTimeText(expiresAt),
    address: ({ address }) => address,
  },
  order: "created desc",
};
