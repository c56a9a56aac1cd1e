import assert from "node:assert/strict";
import { test } from "node:test";
import { createDoorSessions } from "../../src/console/doors/door-sessions.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { createOffice, person } from "./people.ts";

const binding = { host: "web-shop-http.localhost", key: "shop/web" };

test("whoever opens doors without end ends what they have opened themselves, and nothing of others", () => {
  const [ana, zoe] = [person("ana"), person("zoë")];
  const sessions = createDoorSessions({ clock: createFakeClock(), authenticator: createOffice({ ana, zoe }) });
  const enter = (who: typeof ana): string =>
    sessions.redeemCode(sessions.mintCode(binding, who, "/"), binding)?.session ?? assert.fail();
  const code = sessions.mintCode(binding, ana, "/");
  const session = enter(ana);
  const codes = Array.from({ length: 51 }, () => sessions.mintCode(binding, zoe, "/"));
  assert.equal(sessions.redeemCode(codes[0] ?? "", binding), undefined);
  assert.ok(sessions.redeemCode(codes[1] ?? "", binding));
  const entered = Array.from({ length: 201 }, () => enter(zoe));
  assert.equal(sessions.check(entered[0] ?? "", binding), undefined);
  assert.equal(sessions.check(entered[1] ?? "", binding)?.name, "zoë");
  assert.equal(sessions.check(session, binding)?.name, "ana");
  assert.ok(sessions.redeemCode(code, binding));
});
