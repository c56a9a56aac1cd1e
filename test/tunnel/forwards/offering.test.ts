/** What is offered to a peer, with the peer in the test's hands. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { silentLog } from "../../../src/base/log.ts";
import {
  ForwardService,
  type Offer,
  type OfferState,
  OfferStateSchema,
} from "../../../src/gen/fairlead/peer/v1/forward_pb.ts";
import { forwards } from "../../../src/kube/resources.ts";
import type { LinkStatus } from "../../../src/peering/link-status.ts";
import { createOffering } from "../../../src/tunnel/forwards/offering.ts";
import { type ForwardPlan, planForward } from "../../../src/tunnel/forwards/plan.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { until } from "../../patience.ts";

interface More {
  readonly peer?: string;
  readonly target?: string;
  readonly namespace?: string;
  readonly creationTimestamp?: string;
}

function planOf(name: string, uid: string, more: More = {}): ForwardPlan {
  const { peer = "berlin", target = `service/${name}`, namespace = "shop", creationTimestamp } = more;
  const ports = [{ name: "sql", port: 5432, targetPort: "postgres" }];
  const spec = { peer, direction: "Reverse", target, ports };
  const metadata = { namespace, name, uid, ...(creationTimestamp && { creationTimestamp }) };
  const planned = planForward(forwards.parse({ metadata, spec }));
  assert.ok(planned.ok);
  return planned.plan;
}

type Answer = (offers: readonly Offer[], signal: AbortSignal) => OfferState[] | Promise<OfferState[]>;

function stateOf({ uid, name }: Offer, reason = "", message = ""): OfferState {
  return create(OfferStateSchema, { uid, service: reason === "" ? `there/${name}` : "", reason, message });
}

function stage(answer: Answer = (offers) => offers.map((offer) => stateOf(offer))) {
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
          async offer({ offers }, { signal }) {
            said.push(offers);
            return { states: await answer(offers, signal) };
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
  offering.set(planOf("ledger", "u-2", { peer: "paris" }));
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

test("a withdrawal that the peer does not take is said again until it does, but not to one that knows of no offers", async () => {
  let refusal: ConnectError | undefined;
  const { clock, said, offering } = stage((offers) => {
    if (refusal) throw refusal;
    return offers.map((offer) => stateOf(offer));
  });
  offering.set(planOf("db", "u-1"));
  await until("it is said", () => said.length === 1);
  refusal = new ConnectError("You offer too often.", Code.ResourceExhausted);
  offering.delete("shop/db");
  await until("it is refused", () => said.length === 2);
  const again = async (count: number): Promise<void> => {
    for (let waited = 0; said.length < count && waited < 600_000; waited += 5_000) await clock.advance(5_000);
  };
  await again(4);
  assert.ok(said.length >= 4, "it is said again");
  refusal = new ConnectError("unknown", Code.Unimplemented);
  const before = said.length;
  await again(before + 1);
  const last = said.length;
  assert.ok(last > before);
  await again(last + 1);
  assert.equal(said.length, last, "an older agent has nothing to clear away");
  await offering.close();
});

test("what changes of a standing is told, be it the reason alone, and what does not is not", async () => {
  let reason = "Denied";
  const { clock, news, said, offering } = stage((offers) => offers.map((offer) => stateOf(offer, reason, "no")));
  const plan = planOf("db", "u-1");
  assert.equal(offering.standing(plan), undefined);
  offering.set(plan);
  await until("it is told", () => news.length === 1);
  await clock.advance(15_000);
  await until("it is asked again", () => said.length === 2);
  await clock.advance(1);
  assert.equal(news.length, 1);
  reason = "NotPermitted";
  await clock.advance(15_000);
  await until("it is told again", () => news.length === 2);
  assert.equal(offering.standing(plan)?.reason, "NotPermitted");
  await offering.close();
});

test("the oldest of all is said first, whichever is known first, and beyond 256 none", async () => {
  const { said, offering } = stage();
  const at = (day: string) => ({ creationTimestamp: `2026-01-${day}T00:00:00Z` });
  offering.set(planOf("db", "u-9", { namespace: "staging", ...at("03") }));
  offering.set(planOf("db", "u-7", { namespace: "shop", ...at("02") }));
  offering.set(planOf("db", "u-8", { namespace: "data", ...at("02") }));
  await until("all are said", () => said.at(-1)?.length === 3);
  assert.deepEqual(
    said.at(-1)?.map(({ uid }) => uid),
    ["u-7", "u-8", "u-9"],
  );
  for (let n = 0; n < 260; n += 1) offering.set(planOf(`late-${n}`, `v-${n}`, at("04")));
  await until("as many as may be are said", () => said.at(-1)?.length === 256);
  assert.equal(said.at(-1)?.[0]?.uid, "u-7");
  const late = planOf("late-99", "v-99", at("04"));
  await until("the rest is told so", () => offering.standing(late)?.reason === "TooMany");
  await offering.close();
});

test("peers that do not answer keep no others waiting, and are given up after half a minute", async () => {
  const { clock, said, news, offering } = stage((offers, signal) => {
    if (offers[0]?.name.startsWith("silent"))
      return new Promise((_, reject) => signal.addEventListener("abort", reject));
    return offers.map((offer) => stateOf(offer));
  });
  const silent = Array.from({ length: 8 }, (_, n) => planOf(`silent-${n}`, `u-${n}`, { peer: `peer-${n}` }));
  for (const plan of silent) offering.set(plan);
  await until("all are asked", () => said.length === silent.length);
  offering.set(planOf("db", "u-db"));
  await until("the other is told", () => news.includes("shop/db"));
  await clock.advance(30_000);
  for (const plan of silent) await until("it is given up", () => offering.standing(plan)?.reason === "NotAnswered");
  await offering.close();
});
