/** `fairlead user`, `token`, `whoami`, `role` and `session` against an agent on an embedded cluster. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { type ApiWorld, startApi } from "../console/api/world.ts";
import { run, start } from "./world.ts";

suite("users and tokens by the command line", { timeout: 120_000 }, () => {
  let world: ApiWorld;
  before(async () => {
    world = await startApi();
  });
  after(() => world[Symbol.asyncDispose]());

  const fairlead = (args: string, options: Parameters<typeof run>[2] = {}) => run(world.town, args.split(" "), options);

  async function done(args: string, options: Parameters<typeof run>[2] = {}): Promise<{ out: string; err: string }> {
    const { code, out, err } = await fairlead(args, options);
    assert.equal(code, exitCode.ok, err);
    return { out, err };
  }

  test("a password goes to standard output alone, so that it can be piped, and what it means beside it", async () => {
    const { out, err } = await done("user create ann --role operator@west,east --role viewer");
    assert.match(out, /^([a-z2-9]{4}-){4}[a-z2-9]{4}\n$/);
    assert.match(err, /shown once/);
    const reset = await done("user reset-password ann");
    assert.match(reset.out, /^([a-z2-9]{4}-){4}[a-z2-9]{4}\n$/);
    assert.notEqual(reset.out, out);
  });

  test("users are listed as they are, and in the forms that kubectl has", async () => {
    const table = (await done("user list")).out;
    assert.match(table, /^NAME +ROLES +STATUS +AGE\n/);
    assert.match(table, /^admin +admin +MustChangePassword/m);
    assert.match(table, /^ann +operator@west,east viewer +MustChangePassword/m);
    assert.equal((await done("user list -o name")).out, "user/admin\nuser/ann\n");
    const { items } = JSON.parse((await done("user list -o json --field-selector name=ann")).out);
    assert.deepEqual(items[0].roles, ["operator@west,east", "viewer"]);
    assert.equal(items[0].createdBy, "admin-token");
  });

  test("a user is given another role, kept out, let in again, and deleted when that is confirmed", async () => {
    assert.equal((await done("user set-roles ann --role admin")).out, "user/ann is admin\n");
    assert.equal((await done("user disable ann")).out, "user/ann disabled\n");
    assert.match((await done("user list")).out, /^ann +admin +Disabled/m);
    assert.equal((await done("user enable ann")).out, "user/ann enabled\n");
    assert.equal((await fairlead("user delete ann")).code, exitCode.usage);
    const asked = await fairlead("user delete ann", { interactive: true, answer: () => "n" });
    assert.equal(asked.code, exitCode.failed);
    assert.equal((await done("user delete ann", { interactive: true, answer: () => "y" })).out, "user/ann deleted\n");
    const gone = await fairlead("user delete ann --yes");
    assert.equal(gone.code, exitCode.notFound);
    assert.match(gone.err, /no user called "ann"/);
  });

  test("a token is printed once, opens the agent as what it is, and ends by its name", async () => {
    const { out, err } = await done("token create ci --role viewer --for 30d --description pipeline");
    const token = out.trim();
    assert.match(token, /^flt_[\w-]{43}$/);
    assert.match(err, /counts until \d{4}-\d\d-\d\d \d\d:\d\dZ\./);
    assert.match((await done("whoami", { token })).out, /^token\/ci +token +viewer$/m);
    const denied = await fairlead("user list", { token });
    assert.equal(denied.code, exitCode.denied);
    assert.match(denied.err, /needs the role admin for all peers/);
    const listed = (await done("token list -o wide")).out;
    assert.match(listed, /ci +viewer +in (29|30)d/);
    assert.ok(!listed.includes(token));
    assert.match((await done("token revoke ci")).out, /^token\/[0-9a-f]{16} revoked\n$/);
    assert.equal((await fairlead("whoami", { token })).code, exitCode.denied);
    assert.equal((await fairlead("token revoke ci")).code, exitCode.notFound);
  });

  test("the status shows to each what they may see, and is no refusal", async () => {
    for (const role of ["viewer", "operator@west"]) {
      const token = (await done(`token create of-${role.slice(0, 6)} --role ${role}`)).out.trim();
      const { out } = await done("status", { token });
      assert.match(out, /porto +fairlead/);
      assert.match(out, /Nothing needs you/);
    }
    assert.doesNotMatch((await done("audit list --verdict denied")).out, /token\/of-/);
  });

  test("the status goes on being shown to who may see less than all", async () => {
    const token = (await done("token create looker --role viewer@west")).out.trim();
    const watch = start(world.town, ["status", "--watch"], { token });
    await watch.until((out) => /porto +fairlead/.test(out));
    watch.interrupt();
    assert.equal((await watch.ended).code, exitCode.interrupted);
  });

  test("a role that is none, or for nobody, is refused before anything is sent", async () => {
    for (const role of ["root", "viewer@", "viewer@a,,b", "viewer@a@b", "@west", "Admin"]) {
      const { code, err } = await fairlead(`user create ben --role ${role}`);
      assert.equal(code, exitCode.usage, role);
      assert.match(err, /viewer, operator, admin/);
    }
    assert.equal((await fairlead("user create ben")).code, exitCode.usage);
    assert.equal((await done("user list -o name")).out, "user/admin\n");
  });

  test("roles and sessions are told", async () => {
    assert.match((await done("role list")).out, /^viewer +Sees what there is/m);
    assert.match((await done("role list -o yaml")).out, /AccessService\/CreateUser/);
    assert.match((await done("session list")).err, /Nobody is signed in/);
    assert.equal((await fairlead("session revoke 0123456789abcdef")).code, exitCode.notFound);
    assert.match((await done("whoami -o json")).out, /"kind": "admin-token"/);
  });
});
