/** Users, tokens and roles by the API of an agent, as an administrator and as others see them. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { explainError } from "../../../src/client/explain.ts";
import { createFairleadClient, type FairleadClient } from "../../../src/client/index.ts";
import {
  CallerKind,
  Door,
  Role,
  type RoleBinding,
  RoleBindingSchema,
} from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { PermissionMissingSchema } from "../../../src/gen/fairlead/console/v1/error_pb.ts";
import { secrets } from "../../../src/kube/resources.ts";
import { until } from "../../patience.ts";
import { type ApiWorld, startApi } from "./world.ts";

const binding = (role: Role, ...peers: string[]): RoleBinding =>
  create(RoleBindingSchema, { role, allPeers: peers.length === 0, peers });
const viewer = [binding(Role.VIEWER)];
const admin = [binding(Role.ADMIN)];

async function refused(code: Code, call: Promise<unknown>, pattern = /./): Promise<ConnectError> {
  const error: unknown = await call.then(
    () => assert.fail("it was allowed"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConnectError);
  assert.equal(Code[error.code], Code[code], error.message);
  assert.match(error.message, pattern);
  assert.equal(explainError(error).violations.length > 0, code === Code.InvalidArgument);
  return error;
}

suite("users, tokens and roles", { timeout: 120_000 }, () => {
  let world: ApiWorld;
  let root: FairleadClient;
  before(async () => {
    world = await startApi();
    root = as(world.town.token);
  });
  after(() => world[Symbol.asyncDispose]());

  const as = (token: string): FairleadClient => createFairleadClient({ transport: world.transport, token });

  async function tokenOf(client: FairleadClient, name: string, roles: RoleBinding[]): Promise<string> {
    return (await client.access.createToken({ name, roles })).secret;
  }

  test("whoever calls is told who they are and what they may", async () => {
    const { name, kind, roles } = await root.access.whoAmI({});
    assert.deepEqual(
      [name, kind, roles.map(({ role, allPeers }) => [role, allPeers])],
      ["admin-token", CallerKind.ADMIN_TOKEN, [[Role.ADMIN, true]]],
    );
    const ci = await as(await tokenOf(root, "who", [binding(Role.OPERATOR, "west")])).access.whoAmI({});
    assert.deepEqual([ci.name, ci.kind, ci.roles[0]?.peers], ["token/who", CallerKind.TOKEN, ["west"]]);
  });

  test("each role tells what it may that the one before may not, from what the protos declare", async () => {
    const { roles } = await root.access.listRoles({});
    assert.deepEqual(
      roles.map(({ name }) => name),
      ["viewer", "operator", "admin"],
    );
    const [sees, works, decides] = roles.map(({ methods }) => methods);
    assert.ok(sees?.includes("fairlead.console.v1.AppService/ListApps"));
    assert.ok(works?.includes("fairlead.console.v1.AppService/DeployApp"));
    assert.ok(decides?.includes("fairlead.console.v1.AccessService/CreateUser"));
    const all = roles.flatMap(({ methods }) => methods);
    assert.equal(new Set(all).size, all.length);
    assert.deepEqual(roles[1]?.doors, [Door.KUBERNETES, Door.TARGET, Door.DIAL]);
  });

  test("a user is made, listed, given another role, kept out, and deleted; a password is told once and to nobody else", async () => {
    const made = await root.access.createUser({ name: "ann", roles: viewer });
    assert.match(made.password, /^[a-z2-9-]{24}$/);
    await refused(Code.AlreadyExists, root.access.createUser({ name: "ann", roles: viewer }));
    const { users, totalSize } = await root.access.listUsers({});
    assert.deepEqual([users.map(({ name }) => name), totalSize], [["admin", "ann"], 2]);
    const [ann] = (await root.access.listUsers({ fieldSelector: "name=ann" })).users;
    assert.deepEqual([ann?.createdBy, ann?.mustChangePassword, ann?.disabled], ["admin-token", true, false]);
    assert.doesNotMatch(
      JSON.stringify(users, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
      /argon2/,
    );
    const read = ann?.version ?? "";
    const changed = await root.access.updateUser({ name: "ann", roles: { values: admin }, version: read });
    assert.equal(changed.user?.roles[0]?.role, Role.ADMIN);
    // Who has read them before does not take back what somebody else decided since.
    const late = root.access.updateUser({ name: "ann", roles: { values: viewer }, version: read });
    await refused(Code.Aborted, late, /user ann was changed by somebody else/);
    const [now] = (await root.access.listUsers({ fieldSelector: "name=ann" })).users;
    assert.deepEqual([now?.roles[0]?.role, now?.version], [Role.ADMIN, changed.user?.version]);
    assert.equal((await root.access.updateUser({ name: "ann", disabled: true })).user?.disabled, true);
    const reset = await root.access.resetPassword({ name: "ann" });
    assert.notEqual(reset.password, made.password);
    await root.access.deleteUser({ name: "ann" });
    for (const call of [
      root.access.updateUser({ name: "ann", disabled: true }),
      root.access.resetPassword({ name: "ann" }),
      root.access.deleteUser({ name: "ann" }),
    ]) {
      await refused(Code.NotFound, call, /no user called "ann"/);
    }
  });

  test("a name, a role or a span of time that cannot be is refused, with the field", async () => {
    const { access } = root;
    for (const [field, call] of [
      ["name", access.createUser({ name: "Ann", roles: viewer })],
      ["name", access.createUser({ name: "token:ann", roles: viewer })],
      ["name", access.createUser({ name: "a".repeat(101), roles: viewer })],
      ["roles", access.createUser({ name: "ann", roles: [] })],
      ["roles", access.createUser({ name: "ann", roles: [create(RoleBindingSchema, { role: Role.VIEWER })] })],
      ["role", access.createUser({ name: "ann", roles: [create(RoleBindingSchema, { allPeers: true })] })],
      ["name", access.createToken({ name: "a b", roles: viewer })],
      ["lifetime", access.createToken({ name: "ci", roles: viewer, lifetimeSeconds: -1n })],
      ["lifetime", access.createToken({ name: "ci", roles: viewer, lifetimeSeconds: 200_000_000n })],
    ] as const) {
      await refused(Code.InvalidArgument, call, new RegExp(field));
    }
  });

  test("who is no admin for all peers sees no users and decides over none, and is told who may", async () => {
    const some = as(await tokenOf(root, "admin-of-west", [binding(Role.ADMIN, "west")]));
    const error = await refused(Code.PermissionDenied, some.access.listUsers({}), /admin for all peers/);
    const [detail] = error.findDetails(PermissionMissingSchema);
    assert.equal(detail?.role, Role.ADMIN);
    assert.ok(detail?.givenBy.includes("admin"));
    for (const call of [
      some.access.createUser({ name: "eve", roles: viewer }),
      some.access.updateUser({ name: "admin", disabled: true }),
      some.access.resetPassword({ name: "admin" }),
      some.access.deleteUser({ name: "admin" }),
    ]) {
      await refused(Code.PermissionDenied, call);
    }
  });

  test("a token makes no tokens unless it is an admin's, and then none that may more", async () => {
    const viewing = as(await tokenOf(root, "viewing", viewer));
    await refused(Code.PermissionDenied, viewing.access.createToken({ name: "more", roles: admin }), /no more than/);
    await refused(Code.PermissionDenied, viewing.access.createToken({ name: "same", roles: viewer }), /Only users/);
    assert.deepEqual((await viewing.access.listTokens({})).tokens, []);
    await refused(Code.NotFound, viewing.access.revokeToken({ token: "viewing" }));
    const deciding = as(await tokenOf(root, "deciding", admin));
    const made = await deciding.access.createToken({ name: "third", roles: admin });
    assert.equal(made.token?.createdBy, "token/deciding");
    const long = await deciding.access.createToken({ name: "fourth", roles: viewer, lifetimeSeconds: 150_000_000n });
    const maker = (await root.access.listTokens({ fieldSelector: "name=deciding" })).tokens[0];
    assert.equal(long.token?.expiresAt, maker?.expiresAt);
    for (const name of ["admin-token", "public", "unknown", "agent"]) {
      await refused(Code.InvalidArgument, root.access.createUser({ name, roles: viewer }), /audit/);
    }
  });

  test("a token that is revoked, by name or by id, lets nobody in from that moment", async () => {
    for (const by of ["name", "id"] as const) {
      const { secret, token } = await root.access.createToken({ name: `gone-by-${by}`, roles: viewer });
      const client = as(secret);
      await client.access.whoAmI({});
      const { id } = await root.access.revokeToken({ token: token?.[by] ?? "" });
      assert.equal(id, token?.id);
      await refused(Code.Unauthenticated, client.access.whoAmI({}));
      await refused(Code.NotFound, root.access.revokeToken({ token: token?.[by] ?? "" }));
    }
    const leaked = await tokenOf(root, "leaked", viewer);
    await root.access.revokeToken({ token: leaked });
    await refused(Code.Unauthenticated, as(leaked).access.whoAmI({}));
    const again = await refused(Code.NotFound, root.access.revokeToken({ token: leaked }));
    const { entries } = await root.audit.listAudit({ action: "token.revoke" });
    assert.ok(!`${again.message} ${entries.map(({ target, message }) => target + message).join()}`.includes("flt_"));
    assert.ok(!entries.some(({ target }) => target.includes("secret")));
    await tokenOf(root, "twice", viewer);
    await refused(Code.AlreadyExists, root.access.createToken({ name: "twice", roles: viewer }));
  });

  test("a watch that goes on ends within a second when the token is revoked, or its Secret deleted with kubectl", async () => {
    const { client } = world.town.kube;
    const namespace = "fairlead-system";
    const labelSelector = "fairlead.dev/kind=token";
    for (const end of [
      async (id: string) => void (await root.access.revokeToken({ token: id })),
      async () => {
        const signal = AbortSignal.timeout(30_000);
        const { items } = await client.list(secrets, { namespace, labelSelector }, signal);
        for (const { metadata } of items)
          await client.delete(secrets, { namespace, name: metadata.name ?? "" }, {}, signal);
      },
    ]) {
      const { secret, token } = await root.access.createToken({ name: "watching", roles: viewer });
      const watching = as(secret);
      const controller = new AbortController();
      let heard = 0;
      const ended = (async () => {
        for await (const _ of watching.watch.watch({}, { signal: controller.signal })) heard += 1;
      })().then(
        () => undefined,
        (error: unknown) => error,
      );
      await until("it hears", () => heard > 0);
      const from = performance.now();
      await end(token?.id ?? "");
      const why = await ended;
      assert.ok(why instanceof ConnectError && why.code !== Code.Canceled, String(why));
      assert.ok(performance.now() - from < 5_000);
      await refused(Code.Unauthenticated, watching.access.whoAmI({}));
    }
  });

  test("what was done to whom is in the audit, with who did it, and nothing secret", async () => {
    const { password } = await root.access.createUser({ name: "audited", roles: viewer });
    await root.access.updateUser({
      name: "audited",
      roles: { values: [binding(Role.OPERATOR, "west")] },
      disabled: true,
    });
    const { secret, token } = await root.access.createToken({ name: "audited", roles: viewer });
    await root.access.revokeToken({ token: "audited" });
    const { password: second } = await root.access.resetPassword({ name: "audited" });
    await root.access.deleteUser({ name: "audited" });
    const { entries } = await root.audit.listAudit({});
    const told = entries
      .filter(({ target }) => target === "audited")
      .map(({ action, person, message }) => [action, person, message]);
    assert.deepEqual(told, [
      ["user.create", "admin-token", "Roles: viewer."],
      ["user.update", "admin-token", "Roles: operator for west. Kept out."],
      ["token.create", "admin-token", `Roles: viewer. Until ${token?.expiresAt}, id ${token?.id}.`],
      ["token.revoke", "admin-token", `Id ${token?.id}.`],
      ["user.reset-password", "admin-token", ""],
      ["user.delete", "admin-token", ""],
    ]);
    const all = entries.map(({ message, target }) => `${message} ${target}`).join("\n");
    for (const hidden of [password, second, secret]) assert.ok(!all.includes(hidden));
  });
});
