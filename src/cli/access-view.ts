/** How users, tokens, sessions and roles look on a terminal. Pure. */
import type { DescEnum } from "@bufbuild/protobuf";
import { type CallerKind, CallerKindSchema, type Door, DoorSchema } from "../gen/fairlead/console/v1/access_pb.ts";
import type {
  BrowserSession,
  RoleDescription,
  Token,
  User,
  WhoAmIResponse,
} from "../gen/fairlead/console/v1/access_service_pb.ts";
import type { View } from "./output.ts";
import { formatRoles } from "./role-option.ts";
import { formatAge, sinceOf, type Tone } from "./table.ts";

const roleText = (roles: Parameters<typeof formatRoles>[0]): string => formatRoles(roles).join(" ") || "none";

export function userView(now: number): View<User> {
  return {
    name: ({ name }) => `user/${name}`,
    columns: [
      { head: "NAME", cell: ({ name }) => name },
      { head: "ROLES", cell: ({ roles }) => roleText(roles) },
      { head: "STATUS", cell: userState, tone: userTone },
      { head: "AGE", cell: ({ createdAt }) => sinceOf(createdAt, now) },
      { head: "CREATED-BY", cell: ({ createdBy }) => createdBy, wide: true },
      { head: "PASSWORD-AGE", cell: ({ passwordSetAt }) => sinceOf(passwordSetAt, now), wide: true },
    ],
    json: ({ name, roles, disabled, mustChangePassword, createdAt, createdBy, passwordSetAt }) => ({
      name,
      roles: formatRoles(roles),
      disabled,
      mustChangePassword,
      createdAt,
      createdBy,
      passwordSetAt,
    }),
    empty: "No users. Make one with `fairlead user create NAME --role viewer`.",
  };
}

function userState({ disabled, mustChangePassword }: User): string {
  if (disabled) return "Disabled";
  return mustChangePassword ? "MustChangePassword" : "Active";
}

function userTone({ disabled, mustChangePassword }: User): Tone {
  if (disabled) return "bad";
  return mustChangePassword ? "waiting" : "good";
}

export function tokenView(now: number): View<Token> {
  return {
    name: ({ id }) => `token/${id}`,
    columns: [
      { head: "ID", cell: ({ id }) => id },
      { head: "NAME", cell: ({ name }) => name },
      { head: "ROLES", cell: ({ roles }) => roleText(roles) },
      { head: "EXPIRES", cell: (token) => tokenState(token, now), tone: ({ active }) => (active ? "good" : "bad") },
      { head: "USED", cell: ({ lastUsedAt }) => (lastUsedAt ? `${sinceOf(lastUsedAt, now)} ago` : "never") },
      { head: "OWNER", cell: ({ owner }) => owner || "-" },
      { head: "AGE", cell: ({ createdAt }) => sinceOf(createdAt, now) },
      { head: "CREATED-BY", cell: ({ createdBy }) => createdBy, wide: true },
      { head: "DESCRIPTION", cell: ({ description }) => description, wide: true },
    ],
    json: ({ $typeName: _, $unknown: __, roles, ...token }) => ({ ...token, roles: formatRoles(roles) }),
    empty: "No tokens. Make one with `fairlead token create NAME --role viewer`.",
  };
}

function tokenState({ expiresAt, active }: Token, now: number): string {
  const leftMs = Date.parse(expiresAt) - now;
  if (leftMs <= 0) return "Expired";
  return active ? `in ${formatAge(leftMs)}` : "OwnerGone";
}

export function sessionView(now: number): View<BrowserSession> {
  return {
    name: ({ id }) => `session/${id}`,
    columns: [
      { head: "ID", cell: ({ id }) => id },
      { head: "USER", cell: ({ user }) => user },
      { head: "FROM", cell: ({ address }) => address },
      { head: "SEEN", cell: ({ lastSeenAt }) => `${sinceOf(lastSeenAt, now)} ago` },
      { head: "ENDS", cell: ({ expiresAt }) => `in ${formatAge(Math.max(0, Date.parse(expiresAt) - now))}` },
      { head: "AGE", cell: ({ createdAt }) => sinceOf(createdAt, now) },
      { head: "KIND", cell: ({ kind }) => kindWord(kind), wide: true },
      { head: "BROWSER", cell: ({ userAgent }) => userAgent, wide: true },
    ],
    json: ({ $typeName: _, $unknown: __, kind, ...session }) => ({ ...session, kind: kindWord(kind) }),
    empty: "Nobody is signed in with a browser.",
  };
}

export const callerView: View<WhoAmIResponse> = {
  name: ({ kind, name }) => `${kindWord(kind)}/${name}`,
  columns: [
    { head: "NAME", cell: ({ name }) => name },
    { head: "KIND", cell: ({ kind }) => kindWord(kind) },
    { head: "ROLES", cell: ({ roles }) => roleText(roles) },
  ],
  json: ({ name, kind, roles, mustChangePassword }) => ({
    name,
    kind: kindWord(kind),
    roles: formatRoles(roles),
    mustChangePassword,
  }),
  empty: "",
};

export const roleView: View<RoleDescription> = {
  name: ({ name }) => `role/${name}`,
  columns: [
    { head: "ROLE", cell: ({ name }) => name },
    { head: "MAY", cell: ({ description }) => description },
    { head: "METHODS", cell: ({ methods }) => String(methods.length), wide: true },
  ],
  json: ({ name, description, methods, doors }) => ({ name, description, methods, doors: doors.map(doorWord) }),
  empty: "",
};

function kindWord(kind: CallerKind): string {
  return wordOf(CallerKindSchema, kind);
}

function doorWord(door: Door): string {
  return wordOf(DoorSchema, door);
}

/** As commands show it: "admin-token". */
function wordOf({ value }: DescEnum, number: number): string {
  return value[number]?.localName.toLowerCase().replaceAll("_", "-") ?? String(number);
}
