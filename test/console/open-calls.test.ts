/** What strangers can make a console hold by calls that anybody may make. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { SignInService } from "../../src/gen/fairlead/console/v1/sign_in_service_pb.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { startConsole } from "./console-world.ts";

const path = `/${SignInService.typeName}/GetSignInOptions`;
const post = { ":method": "POST", ":path": path, "content-type": "application/json" };

function world(clock = createFakeClock()) {
  return startConsole({
    clock,
    routes: (router) => void router.service(SignInService, { getSignInOptions: () => ({}) }),
  });
}

describe("a call that anybody may make", () => {
  test("is one of a few at a time: the oldest that has not said all gives way, and who says all is answered", async () => {
    await using at = await world();
    const session = connectHttp2(`http://127.0.0.1:${at.port}`);
    const slow: ClientHttp2Stream[] = [];
    let ended = 0;
    for (let i = 0; i < 40; i += 1) {
      const call = session.request(post);
      call
        .on("error", () => undefined)
        .once("close", () => {
          ended += 1;
        });
      call.write("{");
      slow.push(call);
    }
    await until("all but sixteen have ended", () => ended === 24);
    const whole = session.request(post);
    whole.end("{}");
    const [headers] = await once(whole, "response");
    assert.equal(headers[":status"], 200);
    assert.equal(slow.at(-1)?.closed, false);
    session.destroy();
  });

  test("has ten seconds to be said, over either protocol", async () => {
    const clock = createFakeClock();
    await using at = await world(clock);
    const session = connectHttp2(`http://127.0.0.1:${at.port}`);
    const call = session.request(post);
    call.on("error", () => undefined);
    call.write("{");
    const socket = connect(at.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
    );
    const gone = Promise.all([once(call, "close"), once(socket, "close")]);
    let done = false;
    void gone.then(() => {
      done = true;
    });
    await until("both have ended", async () => {
      await clock.advance(10_000);
      return done;
    });
    session.destroy();
  });

  test("may be no longer than what it is about", async () => {
    await using at = await world();
    const headers = { "content-type": "application/json" };
    const answer = await at.ask(path, { method: "POST", headers, body: `{}${" ".repeat(9_000)}` });
    assert.equal(answer.status, 429);
    assert.equal((await at.ask(path, { method: "POST", headers, body: "{}" })).status, 200);
  });
});

test("the document of the API is answered to so many at a time, and in so much time", async () => {
  const clock = createFakeClock();
  await using at = await world(clock);
  const session = connectHttp2(`http://127.0.0.1:${at.port}`, { settings: { initialWindowSize: 0 } });
  const calls = Array.from({ length: 40 }, () => session.request({ ":path": "/openapi.yaml" }));
  const answers = calls.map(async (call) => {
    call.on("error", () => undefined);
    const [headers] = await once(call, "response");
    return Number(headers[":status"]);
  });
  const statuses = await Promise.all(answers);
  assert.equal(statuses.filter((status) => status === 200).length, 32);
  assert.equal(statuses.filter((status) => status === 503).length, 8);
  assert.equal((await at.ask("/openapi.yaml")).status, 503);
  await clock.advance(30_000);
  await until("others are answered again", async () => (await at.ask("/openapi.yaml")).status === 200);
  session.destroy();
});
