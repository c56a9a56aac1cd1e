/** What a peer is told that it may reach, and what is made of what a peer says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { silentLog } from "../../src/base/log.ts";
import { TargetService } from "../../src/gen/fairlead/peer/v1/targets_pb.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { ListServices } from "../../src/kube/service-list.ts";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import { createRoster } from "../../src/peering/roster.ts";
import { callerKey } from "../../src/rpc/caller.ts";
import { addressOffers, appOffers, serviceOffers, singleOffer } from "../../src/tunnel/offer-sources.ts";
import { listOffers } from "../../src/tunnel/offers.ts";
import { createTunnelRules } from "../../src/tunnel/rules.ts";
import { createTargetService } from "../../src/tunnel/target-service.ts";
import { listTargetsAt } from "../../src/tunnel/targets-at.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience } from "../patience.ts";
import { createMemoryPeerStore } from "../peering/memory-stores.ts";
import { policyOf } from "../policy/given.ts";

const fingerprint = "0a".repeat(32);
const all = ["apps", "tunnels", "kubectl"];
const full = {
  apps: true,
  kubernetes: true,
  metrics: true,
  services: [
    { namespace: "data", name: "db", ports: [5432] },
    { namespace: "shop" },
    { namespace: "locked", name: "safe" },
  ],
  addresses: [{ name: "erp", host: "10.9.9.9", ports: [1433, 80] }],
};

/** What each namespace has. Who looks anywhere else is noted. */
const cluster: Record<string, Awaited<ReturnType<ListServices>>> = {
  data: {
    services: [
      {
        name: "db",
        ports: [
          { number: 5432, name: "postgres", appProtocol: "postgresql", protocol: "TCP" },
          { number: 9187, name: "metrics", appProtocol: "", protocol: "TCP" },
        ],
        ready: false,
      },
      { name: "secret", ports: [{ number: 5432, name: "", appProtocol: "", protocol: "TCP" }], ready: true },
    ],
    isCut: false,
  },
  shop: {
    services: [
      { name: "web", ports: [{ number: 80, name: "http", appProtocol: "http", protocol: "TCP" }], ready: true },
      { name: "cart", ports: [{ number: 8080, name: "", appProtocol: "", protocol: "TCP" }], ready: true },
    ],
    isCut: false,
  },
};

async function host(o: { tunnels?: object; grants?: string[]; guest?: boolean; decided?: string } = {}) {
  const { grants = all } = o;
  const clock = createFakeClock();
  const roster = createRoster({ store: createMemoryPeerStore(), clock, log: silentLog });
  const tunnelDecisions = o.decided ? [{ target: o.decided, verdict: "Approved" as const, by: "ana", at: 0 }] : [];
  await roster.add({ name: "tokyo", fingerprint, caPem: "", labels: {}, grants, tunnelDecisions }, {}, patience());
  const policy = policyOf({ tunnels: JSON.parse(JSON.stringify(o.tunnels ?? full)) });
  const rules = createTunnelRules({ policyOf: () => policy, roster, clock });
  const looked: string[] = [];
  const audited: PeeringAuditEntry[] = [];
  const service = createTargetService({
    ...rules,
    sources: [
      appOffers((who) => {
        assert.equal(who, fingerprint);
        const app = { service: { namespace: "n", name: "web" }, ready: false, message: "It crashes." };
        const ports = [{ number: 8080, name: "http", appProtocol: "http", protocol: "TCP" }, { number: 9090 }];
        return [{ namespace: "default", name: "web", app: { ...app, ports } }];
      }),
      serviceOffers(async (namespace) => {
        looked.push(namespace);
        const found = cluster[namespace];
        if (!found) throw new KubeError({ status: 403, reason: "Forbidden", message: "https://10.0.0.1 says no" });
        return found;
      }),
      addressOffers,
      singleOffer("kubernetes"),
      singleOffer("metrics"),
    ],
    record: { note: (_by, entry) => audited.push(entry) },
    clock,
  });
  const caller = { fingerprint, guest: o.guest ?? false, peer: "tokyo", grants, caPem: "" };
  const transport = createRouterTransport((router) => router.service(TargetService, service), {
    router: {
      interceptors: [
        (next) => (request) => {
          request.contextValues.set(callerKey, caller);
          return next(request);
        },
      ],
    },
  });
  return {
    transport,
    looked,
    audited,
    clock,
    roster,
    list: () => listTargetsAt({ transport, peer: "there" }, patience()),
  };
}

test("a peer is told of all that the rules let it reach, with ports, what is spoken, and what is against it", async () => {
  const { list, audited } = await host();
  const { targets, problems } = await list();
  assert.deepEqual(
    targets.map((one) => [one.target, one.portName, one.protocol, one.appProtocol, one.notReady].join(" ").trim()),
    [
      "address/erp:1433  TCP",
      "address/erp:80  TCP",
      "app/default/web:8080 http TCP http It crashes.",
      "app/default/web:9090  TCP  It crashes.",
      "kubernetes  TCP http",
      "metrics  TCP http",
      "service/data/db:5432 postgres TCP postgresql Nothing behind the Service is ready.",
      "service/shop/cart:8080  TCP",
      "service/shop/web:80 http TCP http",
    ],
  );
  assert.ok(targets.every(({ approvalNeeded, until }) => !approvalNeeded && until === ""));
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /lacks the right to list Services.*in the namespace locked.*docs\/rbac\.md/);
  assert.ok(!JSON.stringify({ targets, problems }).includes("10."), "no address, and no word of the API server");
  assert.deepEqual(
    audited.map(({ action, verdict, actor, message }) => [action, verdict, actor.peer, message]),
    [["target.list", "allowed", "tokyo", "It was told of 9 targets."]],
  );
});

test("without the grant, the policy or the time for it nothing is looked at, and nothing is told", async () => {
  const past = new Date(-1).toISOString();
  const cases: [Parameters<typeof host>[0], string[]][] = [
    [{ grants: [] }, []],
    [{ guest: true }, []],
    [{ grants: ["kubectl"] }, ["kubernetes"]],
    [{ grants: ["apps"] }, ["app/default/web:8080", "app/default/web:9090"]],
    [{ tunnels: { apps: false } }, []],
    [{ tunnels: { ...full, until: past } }, []],
    [{ tunnels: { ...full, services: [{ namespace: "Not A Name" }], approval: "Sometimes" } }, []],
    [{ tunnels: { apps: false, addresses: full.addresses } }, ["address/erp:1433", "address/erp:80"]],
  ];
  for (const [given, expected] of cases) {
    const { list, looked } = await host(given);
    const { targets, problems } = await list();
    assert.deepEqual(
      [targets.map(({ target }) => target), problems, looked],
      [expected, [], []],
      JSON.stringify(given),
    );
  }
});

test("it is said what a person has to approve, and for how long it may be reached", async () => {
  const until = new Date(createFakeClock().now() + 3_600_000).toISOString();
  const { list } = await host({
    tunnels: { services: full.services, approval: "FirstUse", until, apps: false },
    decided: "service/shop/web:80",
  });
  const { targets } = await list();
  assert.deepEqual(
    targets.map((one) => [one.target, one.approvalNeeded, one.until]),
    [
      ["service/data/db:5432", true, ""],
      ["service/shop/cart:8080", true, ""],
      ["service/shop/web:80", false, until],
    ],
  );
});

test("what a person has denied is no longer told of", async () => {
  const { list, roster } = await host({ tunnels: { addresses: full.addresses, apps: false } });
  const tunnelDecisions = [{ target: "address/erp:80", verdict: "Denied" as const, by: "ana", at: 0 }];
  await roster.update("tokyo", (peer) => ({ ...peer, tunnelDecisions }), patience());
  assert.deepEqual(
    (await list()).targets.map(({ target }) => target),
    ["address/erp:1433"],
  );
});

test("a long list comes in pages, each thing once, and who asks too often has to wait", async () => {
  const addresses = Array.from({ length: 40 }, (_, n) => ({
    name: `a${n}`,
    host: `10.9.9.${n}`,
    ports: Array.from({ length: 30 }, (_, p) => p + 1),
  }));
  const { list, clock } = await host({ tunnels: { addresses, apps: false } });
  const { targets } = await list();
  assert.equal(targets.length, 1_200);
  assert.equal(new Set(targets.map(({ target }) => target)).size, 1_200);
  await assert.rejects(
    async () => {
      for (let n = 0; n < 20; n += 1) await list();
    },
    (error) => error instanceof ConnectError && error.code === Code.ResourceExhausted,
  );
  await clock.advance(1_000);
  assert.equal((await list()).targets.length, 1_200);
});

function saying(listTargets: ServiceImpl<typeof TargetService>["listTargets"]) {
  const transport = createRouterTransport((router) => router.service(TargetService, { listTargets }));
  return listTargetsAt({ transport, peer: "there" }, patience());
}

test("a peer that says too much, nonsense, or goes on for ever is heard within bounds", async () => {
  let pages = 0;
  const long = "x".repeat(2_000);
  const endless = await saying(() => {
    pages += 1;
    const targets = Array.from({ length: 600 }, (_, n) => ({ target: `service/a${pages}/b${n}:1`, notReady: long }));
    return { targets, problems: [long], nextPageToken: `t${1_000 + pages}` };
  });
  assert.equal(pages, 20);
  assert.equal(endless.targets.length, 10_000);
  assert.equal(endless.targets[0]?.notReady.length, 1_024);
  assert.ok(endless.problems.every((problem) => problem.length <= 1_024));

  pages = 0;
  const circling = await saying(() => {
    pages += 1;
    return { targets: [{ target: "metrics" }], nextPageToken: "again" };
  });
  assert.equal(pages, 2);
  assert.match(circling.problems.join(), /in an order/);

  const strange = await saying(() => ({
    targets: [{ target: "teapot/a:1" }, { target: "kubernetes" }, { target: "service/../b:1" }, { target: "" }],
  }));
  assert.deepEqual(
    strange.targets.map(({ target }) => target),
    ["kubernetes"],
  );
  assert.match(strange.problems.join(), /^3 more are of kinds that this agent does not know/);
});

test("of an agent that is too old to say it is said so, with what can be done", async () => {
  const transport = createRouterTransport(() => undefined);
  await assert.rejects(listTargetsAt({ transport, peer: "there" }, patience()), (error) => {
    assert.ok(error instanceof ConnectError);
    assert.equal(error.code, Code.Unimplemented);
    assert.match(error.rawMessage, /agent of there is of an earlier version.*fairlead forward there service\//);
    return true;
  });
});

test("what is spoken to by datagrams is told of as such, and by a text of its own", async () => {
  const rules = policyOf({
    tunnels: { addresses: [{ name: "dns", host: "10.9.9.53", ports: [53], protocol: "UDP" }] },
  });
  const dns = { number: 53, name: "dns", appProtocol: "", protocol: "UDP" } as const;
  const game = { number: 7777, appProtocol: "udp" };
  const app = { service: { namespace: "n", name: "game" }, ports: [game], ready: true, message: "" };
  const services = { ...rules.tunnels, services: [{ namespace: "data", ports: [] }] };
  const sources = [
    appOffers(() => [{ namespace: "shop", name: "game", app }]),
    serviceOffers(async () => ({ services: [{ name: "dns", ports: [dns], ready: true }], isCut: false })),
    addressOffers,
  ];
  const caller = { fingerprint, guest: false, peer: "tokyo", grants: all };
  const offers = listOffers(
    { sources, rulesFor: () => services, permit: () => ({ allowed: true }) },
    caller,
    patience(),
  );
  assert.deepEqual(
    (await offers).offers.map(({ text, protocol }) => [text, protocol]),
    [
      ["address/dns:53/udp", "UDP"],
      ["app/shop/game:7777/udp", "UDP"],
      ["service/data/dns:53/udp", "UDP"],
    ],
  );
});
