/** Who is signed in, by what, and what they are told when they are not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { createFairleadClient } from "../../src/client/index.ts";
import { CallerKind } from "../../src/gen/fairlead/console/v1/access_pb.ts";
import { AccessService } from "../../src/gen/fairlead/console/v1/access_service_pb.ts";
import { SignInService } from "../../src/gen/fairlead/console/v1/sign_in_service_pb.ts";
import { Session } from "../../ui/src/state/session.ts";

/** An agent that knows ana, whose first password is "given", and one token. */
function world() {
  const agent = { password: "given", mustChange: true, cookie: false, token: "", isDown: false };
  const done: string[] = [];
  const transport = createRouterTransport(({ service }) => {
    service(AccessService, {
      whoAmI() {
        if (agent.isDown) throw new ConnectError("nobody answers", Code.Unavailable);
        if (agent.token !== "") {
          if (agent.token !== "flt_right") throw new ConnectError("no such token", Code.Unauthenticated);
          return { name: "token/ci", kind: CallerKind.TOKEN };
        }
        if (!agent.cookie) throw new ConnectError("nobody is signed in", Code.Unauthenticated);
        return { name: "ana", kind: CallerKind.USER, mustChangePassword: agent.mustChange };
      },
    });
    service(SignInService, {
      getSignInOptions: () => ({ password: true }),
      signIn({ name, password }) {
        if (password !== agent.password) throw new ConnectError("They are not right.", Code.Unauthenticated);
        agent.cookie = true;
        return { name, mustChangePassword: agent.mustChange };
      },
      changePassword({ current, next }) {
        if (current !== agent.password) throw new ConnectError("It is not right.", Code.Unauthenticated);
        Object.assign(agent, { password: next, mustChange: false });
        return {};
      },
      signOut() {
        agent.cookie = false;
        done.push("signed out");
        return {};
      },
    });
  });
  const client = createFairleadClient({ transport });
  const session = new Session({
    client: () => client,
    useToken: (token) => {
      agent.token = token ?? "";
    },
    onIn: () => void done.push("in"),
    onOut: () => void done.push("out"),
  });
  return { agent, done, session, kind: () => session.state.kind };
}

test("who comes with a first password chooses another, without typing the first again", async () => {
  const t = world();
  assert.equal(t.kind(), "asking");
  await t.session.ask();
  assert.equal(t.kind(), "out");
  const refused = await t.session.signIn("ana", "wrong");
  assert.deepEqual([t.kind(), refused?.detail], ["out", "They are not right."]);
  assert.equal(await t.session.signIn("ana", "given"), undefined);
  assert.deepEqual([t.kind(), t.session.knowsInitial, t.session.person], ["must-change", true, ""]);
  assert.equal(await t.session.changePassword("", "one of her own"), undefined);
  assert.deepEqual([t.kind(), t.session.knowsInitial, t.session.person], ["in", false, "ana"]);
  assert.deepEqual(t.done, ["out", "in"]);
});

test("who comes back before they have chosen another has to type the first again", async () => {
  const t = world();
  t.agent.cookie = true;
  await t.session.ask();
  assert.deepEqual([t.kind(), t.session.knowsInitial], ["must-change", false]);
  assert.ok(await t.session.changePassword("", "one of her own"));
  assert.equal(t.kind(), "must-change");
});

test("a token that does not count leaves everything as it was, and one that does ends no cookie when it goes", async () => {
  const t = world();
  await t.session.ask();
  assert.ok(await t.session.useToken("flt_wrong"));
  assert.deepEqual([t.kind(), t.agent.token], ["out", ""]);
  assert.equal(await t.session.useToken(" flt_right\n"), undefined);
  assert.deepEqual([t.kind(), t.session.person], ["in", "token/ci"]);
  await t.session.signOut();
  assert.deepEqual([t.kind(), t.agent.token], ["out", ""]);
  assert.ok(!t.done.includes("signed out"));
});

test("what ends a session is told to who has to sign in again", async () => {
  const t = world();
  Object.assign(t.agent, { cookie: true, mustChange: false });
  await t.session.ask();
  t.agent.cookie = false;
  await t.session.ask("Your session has ended.");
  const { state } = t.session;
  assert.equal(state.kind === "out" && state.why, "Your session has ended.");
});

test("an agent that does not answer is no sign-out, and is asked again", async () => {
  const t = world();
  t.agent.isDown = true;
  await t.session.ask();
  assert.equal(t.kind(), "unreachable");
  Object.assign(t.agent, { isDown: false, cookie: true, mustChange: false });
  await t.session.ask();
  assert.equal(t.kind(), "in");
});
