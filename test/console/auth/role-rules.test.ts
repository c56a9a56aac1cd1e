import assert from "node:assert/strict";
import { test } from "node:test";
import { describeRoleRules, readRoleRules, rolesOf } from "../../../src/console/auth/role-rules.ts";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";

const rules = readRoleRules(
  JSON.stringify([
    { group: "staff", role: "viewer" },
    { group: "shop", role: "operator", peers: ["berlin", "oslo", "berlin"] },
    { user: "ana@example.com", role: "admin" },
  ]),
);

test("somebody has what is given to their groups and to their name, and nobody has anything else", () => {
  const view = { role: Role.VIEWER, peers: "all" };
  const operate = { role: Role.OPERATOR, peers: ["berlin", "oslo"] };
  const administer = { role: Role.ADMIN, peers: "all" };
  assert.deepEqual(rolesOf(rules, { user: "zoë", groups: ["staff", "shop"] }), [view, operate]);
  assert.deepEqual(rolesOf(rules, { user: "ana@example.com", groups: ["staff"] }), [view, administer]);
  assert.deepEqual(rolesOf(rules, { user: "staff", groups: ["ana@example.com", "Staff", ""] }), []);
  assert.deepEqual(rolesOf([], { user: "ana@example.com", groups: ["staff"] }), []);
});

test("rules are shown as they are", () => {
  const shown = "group staff=viewer; group shop=operator@berlin,oslo; user ana@example.com=admin";
  assert.equal(describeRoleRules(rules), shown);
});

test("a rule that cannot be understood is refused, and named", () => {
  const wrong: [text: string, why: RegExp][] = [
    ["admins", /must be a list/],
    ["{}", /must be a list/],
    ["[1]", /the 1\. of them must have/],
    ['[{"group":"a","role":"viewer"},{"role":"viewer"}]', /the 2\. of them needs either/],
    ['[{"group":"a","user":"b","role":"viewer"}]', /needs either/],
    ['[{"group":"","role":"viewer"}]', /names nobody/],
    ['[{"group":["a"],"role":"viewer"}]', /names nobody/],
    ['[{"group":"a","role":"owner"}]', /needs a role/],
    ['[{"group":"a","role":"Admin"}]', /needs a role/],
    ['[{"group":"a"}]', /needs a role/],
    ['[{"group":"a","role":"admin","peers":[]}]', /peers must be/],
    ['[{"group":"a","role":"admin","peers":"*"}]', /peers must be/],
    ['[{"group":"a","role":"admin","peer":["b"]}]', /a field peer; there are/],
    [JSON.stringify(Array.from({ length: 201 }, () => ({ group: "a", role: "viewer" }))), /200 at most/],
  ];
  for (const [text, why] of wrong) assert.throws(() => readRoleRules(text), why, text);
});
