/** What the doors tell those who may not see a thing: the same whether it exists or not. The calls are held to it in every-call.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { answer } from "../../src/console/doors/exchange.ts";
import { createSessionDial } from "../../src/console/session-dial.ts";
import { Door, Role } from "../../src/gen/fairlead/console/v1/access_pb.ts";
import { writeTarget } from "../../src/wire/target.ts";
import type { NamedTarget } from "../../src/wire/target-text.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { startConsole } from "./console-world.ts";
import { accessBy, createOffice, person } from "./people.ts";

const elsewhere = person("elsa", [{ role: Role.ADMIN, peers: ["elsewhere"] }]);
const everywhere = person("evan");
const office = createOffice({ elsa: elsewhere, evan: everywhere });

test("a door by path answers alike for what may not be seen and what is not there", async () => {
  const things = {
    door: Door.TARGET,
    serve: async (request: Parameters<typeof answer>[0]) => answer(request, 200, [], "here"),
  };
  await using world = await startConsole({ ways: [office], peerDoors: { things } });
  await world.run("web", (_, res) => res.end("page"));
  const ask = async (path: string, token: string) => {
    const { status, text } = await world.ask(path, { headers: { authorization: `Bearer ${token}` } });
    return [status, text.replace(/there|nowhere/g, "it")];
  };
  for (const [exists, doesNot] of [
    ["/apps/shop/web/http/", "/apps/shop/none/http/"],
    ["/apps/shop/web/none/", "/apps/shop/none/none/"],
    ["/peers/there/things/", "/peers/nowhere/things/"],
  ] as const) {
    const [status] = await ask(exists, "elsa");
    assert.equal(status, 403, exists);
    assert.deepEqual(await ask(exists, "elsa"), await ask(doesNot, "elsa"));
    assert.equal((await ask(doesNot, "evan"))[0], 404, doesNot);
  }
});

test("a dial is refused alike for what may not be seen and what is not there", async () => {
  const refusalOf = (target: NamedTarget, peer?: string): Promise<unknown> =>
    new Promise((resolve) => {
      const dial = createSessionDial({
        guard: accessBy([office], createFakeClock()).doors,
        find({ name }) {
          if (name !== "web") throw new Error("No such app.");
          return { peer: "there", uid: "u-1" };
        },
        hasPeer: (name) => name === "there",
        dial: () => assert.fail("nobody is let through"),
        dialDatagrams: () => assert.fail("nobody is let through"),
        clock: createFakeClock(),
      });
      const refuse = (reason: number, message: string): void =>
        resolve([reason, message.replace(/there|nowhere/, "it")]);
      dial(
        {
          kind: "dial",
          id: 1,
          priority: 0,
          target: writeTarget(target),
          metadata: new Headers(peer === undefined ? {} : { "fairlead-peer": peer }),
          signal: new AbortController().signal,
          accept: () => assert.fail("nobody is let through"),
          acceptDatagrams: () => assert.fail("nobody is let through"),
          refuse,
        },
        elsewhere,
      );
    });
  const web = { kind: "app", namespace: "shop", name: "web" } as const;
  assert.deepEqual(await refusalOf(web), await refusalOf({ ...web, name: "none" }));
  const database = { kind: "service", namespace: "data", name: "db", port: 5432 } as const;
  assert.deepEqual(await refusalOf(database, "there"), await refusalOf(database, "nowhere"));
});
