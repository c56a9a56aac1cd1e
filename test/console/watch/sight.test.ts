/** What somebody sees of a topic. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Principal } from "../../../src/console/auth/principal.ts";
import { accessText, sightOf } from "../../../src/console/watch/sight.ts";
import { topicName } from "../../../src/console/watch/topics.ts";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { Topic } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { person } from "../people.ts";

const user = (name: string, role: Role = Role.OPERATOR): Principal => {
  return { ...person(name, [{ role, peers: "all" }]), kind: "user" };
};

suite("what is somebody's own", () => {
  const anns = { peers: [""], owner: "user ann" };
  for (const topic of [Topic.TOKENS, Topic.BROWSER_SESSIONS]) {
    test(`is seen by them and by admins alone, in ${topicName(topic)}`, () => {
      const sees = (who: Principal | undefined): boolean => sightOf(who, topic)(anns);
      assert.equal(sees(user("ann")), true);
      assert.equal(sees(user("root", Role.ADMIN)), true);
      assert.equal(sees(user("ben")), false);
      assert.equal(sees({ ...user("ann"), kind: "oidc" }), false, "another who is called the same elsewhere");
      assert.equal(sees({ ...user("ann"), kind: "token", owner: "ann" }), false, "a program of hers, as in the list");
      assert.equal(sees(person("west", [{ role: Role.ADMIN, peers: ["west"] }])), false);
      assert.equal(sees({ ...user("root", Role.ADMIN), mustChangePassword: true }), false);
      assert.equal(sees(undefined), false);
    });

    test(`is an admin's alone when it is nobody's, in ${topicName(topic)}`, () => {
      assert.equal(sightOf(user("ann"), topic)({ peers: [""] }), false);
      assert.equal(sightOf(person("program"), topic)({ peers: [""] }), true);
    });
  }

  test("makes another see something else, though they may the same", () => {
    assert.notEqual(accessText(user("ann")), accessText(user("ben")));
    assert.equal(accessText(person("a")), accessText(person("b")), "programs have nothing of their own");
  });
});

test("users are an admin's to see, whatever else somebody may", () => {
  assert.equal(sightOf(user("ann"), Topic.USERS)({ peers: [""] }), false);
  assert.equal(sightOf(user("root", Role.ADMIN), Topic.USERS)({ peers: [""] }), true);
});
