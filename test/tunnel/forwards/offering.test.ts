/** What is offered to a peer, with the peer in the test's hands. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { silentLog } from "../../../src/base/log.ts";
import { ForwardService, type Offer } from "../../../src/gen/fairlead/peer/v1/forward_pb.ts";
import { forwards } from "../../../src/kube/resources.ts";
import type { LinkStatus } from "../../../src/peering/link-status.ts";
import { createOffering } from "../../../src/tunnel/forwards/offering.ts";
import { type ForwardPlan, planForward } from "../../../src/tunnel/forwards/plan.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { until } from "../../patience.ts";

function planOf(name: string, uid: string, peer = "berlin"): ForwardPlan {
  const ports = [{ name: "sql", port: 5432, targetPort: "postgres" }];
  const spec = { peer, direction: "Reverse", target: `service/${name}`, ports };
  const planned = planForward(forwards.parse({ metadata: { namespace: "shop", name, uid }, spec }));
  assert.ok(planned.ok);
  return planned.plan;
}

function stage() {
  const clock = createFakeClock();
  const said: (readonly Offer[])[] = [];
  const listeners = new Set<(peer: string, status: LinkStatus) => void>();
  let link: LinkStatus = { state: "connected", since: 0, held: true, epoch: 1 };
  const withdrawn: string[] = [];
  const news: string[] = [];
  const offering = createOffering({
    transport: () =>
      createRouterTransport(({ service }) => {
        service(ForwardService, {
          offer({ offers }) {
            said.push(offers);
            return {
              states: offers.map(({ uid, name }) => ({ uid, service: `there/${name}`, reason: "", message: "" })),
            };
          },
        });
      }),
    links: {
      status: () => link,
      subscribe(fn) {
        listeners.add(fn);
        return () => listeners.delete(fn);
      },
    },
    onWithdrawn: (peer) => withdrawn.push(peer),
    onState: (key) => news.push(key),
    clock,
    log: silentLog,
  });
  const setLink = (more: Partial<LinkStatus>): void => {
    link = { ...link, ...more };
    for (const listener of listeners) listener("berlin", link);
  };
  return { clock, said, withdrawn, news, offering, setLink };
}

test("a peer finds what is offered to it, by its UID and the name of its port, and nothing else", async () => {
  const { offering } = stage();
  offering.set(planOf("db", "u-1"));
  offering.set(planOf("ledger", "u-2", "paris"));
  const service = { kind: "service", namespace: "shop", name: "db", port: "postgres" };
  assert.deepEqual(offering.find("berlin", { kind: "reverse", uid: "u-1", port: "sql" }), service);
  for (const [peer, uid, port] of [
    ["berlin", "u-2", "sql"],
    ["paris", "u-1", "sql"],
    [undefined, "u-1", "sql"],
    ["berlin", "u-1", "postgres"],
    ["berlin", "u-1", "5432"],
    ["berlin", "", "sql"],
  ] as const) {
    assert.equal(offering.find(peer, { kind: "reverse", uid, port }), undefined, `${peer} ${uid} ${port}`);
  }
  offering.delete("shop/db");
  assert.equal(offering.find("berlin", { kind: "reverse", uid: "u-1", port: "sql" }), undefined);
  await offering.close();
});

test("all that is offered is said on each change and each new link, also that it is nothing any more", async () => {
  const { said, withdrawn, news, offering, setLink } = stage();
  offering.set(planOf("db", "u-1"));
  await until("it is said", () => said.length === 1 && news.length === 1);
  assert.equal(offering.standing(planOf("db", "u-1"))?.service, "there/db");
  offering.set(planOf("db", "u-1"));
  offering.set(planOf("cache", "u-2"));
  await until("both are said", () => said.at(-1)?.length === 2);
  const before = said.length;
  setLink({ held: false, state: "disconnected" });
  offering.delete("shop/db");
  offering.delete("shop/cache");
  assert.deepEqual(withdrawn, ["berlin", "berlin"], "at once, whether there is a link or not");
  setLink({ held: true, state: "connected", epoch: 2 });
  await until("it is said that there is nothing", () => said.length > before && said.at(-1)?.length === 0);
  await offering.close();
});
