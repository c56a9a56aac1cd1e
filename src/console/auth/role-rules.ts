/** Which roles somebody has whom another says who they are: an OIDC provider, or the cluster's own API server. Pure. */
import { Role } from "../../gen/fairlead/console/v1/access_pb.ts";
import { isJsonObject } from "../../kube/object.ts";
import type { RoleBinding } from "./principal.ts";

/** Gives a role to a group, or to one by name. */
export interface RoleRule {
  readonly group?: string;
  readonly user?: string;
  readonly role: "viewer" | "operator" | "admin";
  /** Our names of peers; absent for all, and the agent itself. */
  readonly peers?: readonly string[];
}

const roles = { viewer: Role.VIEWER, operator: Role.OPERATOR, admin: Role.ADMIN } as const;
const fields = ["group", "user", "role", "peers"];
const mostRules = 200;
const mostPeers = 200;
/** Of a group or a name, in characters. */
const longestName = 256;

/** What the rules give to one of this name, in these groups. Nothing, to whom no rule names. */
export function rolesOf(
  rules: readonly RoleRule[],
  who: { readonly user: string; readonly groups: readonly string[] },
): RoleBinding[] {
  return rules
    .filter(({ group, user }) => (group === undefined ? user === who.user : who.groups.includes(group)))
    .map(({ role, peers }) => ({ role: roles[role], peers: peers ?? "all" }));
}

/** Reads a list as JSON. Throws an Error that says what of it is wrong. */
export function readRoleRules(text: string): readonly RoleRule[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    list = undefined;
  }
  if (!Array.isArray(list)) throw new Error("must be a list, each with a group or a user, a role, and peers");
  if (list.length > mostRules) throw new Error(`must be ${mostRules} at most`);
  return list.map((one: unknown, index) => readRule(one, `the ${index + 1}. of them`));
}

/** For people: each with whom it is about and what it gives. */
export function describeRoleRules(rules: readonly RoleRule[]): string {
  const describe = ({ group, user, role, peers }: RoleRule): string =>
    `${group === undefined ? `user ${user}` : `group ${group}`}=${role}${peers === undefined ? "" : `@${peers.join(",")}`}`;
  return rules.map(describe).join("; ");
}

function readRule(said: unknown, which: string): RoleRule {
  if (!isJsonObject(said)) throw new Error(`${which} must have a group or a user, and a role`);
  const unknown = Object.keys(said).find((field) => !fields.includes(field));
  if (unknown !== undefined) throw new Error(`${which} has a field ${unknown}; there are ${fields.join(", ")}`);
  const { group, user, peers } = said;
  if ((group === undefined) === (user === undefined)) throw new Error(`${which} needs either a group or a user`);
  for (const name of [group, user]) {
    if (name !== undefined && !isName(name)) throw new Error(`${which} names nobody: a text of 1 to ${longestName}`);
  }
  const role = (["viewer", "operator", "admin"] as const).find((known) => known === said.role);
  if (role === undefined) throw new Error(`${which} needs a role: viewer, operator or admin`);
  const isFew = Array.isArray(peers) && peers.length > 0 && peers.length <= mostPeers && peers.every(isName);
  if (peers !== undefined && !isFew) throw new Error(`${which}: peers must be a list of 1 to ${mostPeers} names`);
  return {
    ...(isName(group) && { group }),
    ...(isName(user) && { user }),
    role,
    ...(isFew && { peers: [...new Set(peers.map(String))] }),
  };
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= longestName;
}
