import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answer } from "../../src/console/doors/exchange.ts";
import type { PeerDoor, PeerRequest } from "../../src/console/doors/peers-path.ts";
import { Door } from "../../src/gen/fairlead/console/v1/access_pb.ts";
import { admin, bearer, startConsole } from "./console-world.ts";
import { person } from "./people.ts";

/** A door that tells what it was asked. */
function recording(more: Partial<PeerDoor> = {}): PeerDoor & { readonly asked: PeerRequest[] } {
  const asked: PeerRequest[] = [];
  return {
    door: Door.TARGET,
    asked,
    async serve(request, what) {
      asked.push(what);
      answer(request, 200, [], "here");
    },
    ...more,
  };
}

describe("the doors to a peer", () => {
  test("are told who asks for what, with the path as it was written", async () => {
    const door = recording();
    await using world = await startConsole({ peerDoors: { things: door } });
    const answered = await world.ask("/peers/there/things/a%2Fb//c:d?x=%20&y", { headers: bearer });
    assert.equal(answered.text, "here");
    assert.deepEqual(door.asked, [
      {
        peer: "there",
        rest: "/a%2Fb//c:d",
        query: "?x=%20&y",
        principal: admin,
        secure: false,
        prefix: "/peers/there/things",
      },
    ]);
    assert.equal((await world.ask("/peers/there/things", { headers: bearer })).status, 200);
    assert.equal(door.asked[1]?.rest, "");
  });

  test("let nobody in without a token, and tell strangers nothing about peers", async () => {
    const door = recording();
    await using world = await startConsole({ peerDoors: { things: door } });
    for (const path of [
      "/peers/there/things/",
      "/peers/none/things/",
      "/peers/there/none/",
      "/peers//",
      "/x/../peers/a",
    ]) {
      for (const headers of [{}, { authorization: "Bearer flt_wrong" }, { cookie: "fairlead-app=1" }]) {
        const answered = await world.ask(path, { headers });
        assert.equal(answered.status, 401, path);
        assert.match(answered.headers["www-authenticate"] ?? "", /Bearer/);
      }
    }
    assert.equal(door.asked.length, 0);
  });

  test("may know credentials that the console does not", async () => {
    const door = recording({
      authenticate: (authorization, peer) =>
        authorization === "Bearer short" && peer === "there" ? person("kim") : undefined,
    });
    await using world = await startConsole({ peerDoors: { things: door, others: recording() } });
    const ask = async (path: string) => (await world.ask(path, { headers: { authorization: "Bearer short" } })).status;
    assert.equal(await ask("/peers/there/things/"), 200);
    assert.equal(door.asked[0]?.principal.name, "kim");
    assert.equal(await ask("/peers/elsewhere/things/"), 401);
    assert.equal(await ask("/peers/there/others/"), 401);
  });

  test("are not left by any way to write a path, nor entered at a peer that is none", async () => {
    const door = recording();
    await using world = await startConsole({ peerDoors: { things: door } });
    for (const path of [
      "/peers/none/things/",
      "/peers/there/none/",
      "/peers/there",
      "/peers/there/things/../../../fairlead.x/",
      "/peers/there/things/..%2f..%2f..%2fapps",
      "/peers/there/things%2f../x",
      "/peers/th%65re/things/",
      "//peers/there/things/",
      "/peers/there/./things/",
      "/peers/there/toString/",
    ]) {
      const answered = await world.ask(path, { headers: bearer });
      assert.equal(answered.status, 404, path);
    }
    assert.equal(door.asked.length, 0);
  });
});
