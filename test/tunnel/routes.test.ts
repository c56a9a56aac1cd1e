/** Hosts of routes: which Service they lead to, who may reach it, and what a peer is told. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { RouteEntry, RouteKind } from "../../src/kube/route-entry.ts";
import { chooseRoute } from "../../src/tunnel/route-choice.ts";
import { routeOffers } from "../../src/tunnel/route-offers.ts";
import { TunnelError, type TunnelFailure } from "../../src/tunnel/tunnel-error.ts";
import type { PortName } from "../../src/wire/target-text.ts";
import { patience } from "../patience.ts";
import { policyOf } from "../policy/given.ts";
import { startTwoAgents, type TwoAgents } from "./two-agents.ts";

function entry(kind: RouteKind, host: string, services: string, more: Partial<RouteEntry> = {}): RouteEntry {
  const backends = services
    .split(",")
    .filter(Boolean)
    .map((text) => {
      const [service = "", port = ""] = text.split(":");
      return { service, port: /^\d+$/.test(port) ? Number(port) : port };
    });
  return { kind, namespace: "shop", name: "r", host, backends, ...more };
}

function chosen(host: string, ...entries: RouteEntry[]): string {
  const choice = chooseRoute(entries, host);
  if (choice.ok) return choice.ways.map(({ namespace, service, port }) => `${namespace}/${service}:${port}`).join(" ");
  return choice.why === "none" ? "none" : choice.message;
}

test("the routes that say a host itself come before wildcards, the longest of these first, each kind's star as it means it", () => {
  const exact = entry("HTTPRoute", "a.b.org", "exact:1");
  const near = entry("HTTPRoute", "*.b.org", "near:1");
  const far = entry("HTTPRoute", "*.org", "far:1");
  const ingress = entry("Ingress", "*.b.org", "star:1");
  assert.equal(chosen("a.b.org", far, near, exact), "shop/exact:1");
  assert.equal(chosen("c.b.org", far, near, exact), "shop/near:1");
  assert.equal(chosen("d.c.b.org", far, near, exact), "shop/near:1");
  assert.equal(chosen("c.b.org", ingress), "shop/star:1");
  assert.equal(chosen("d.c.b.org", ingress), "none", "one part in an Ingress");
  assert.equal(chosen("b.org", near, ingress), "none");
  assert.equal(chosen("xb.org", near), "none");
  assert.equal(chosen("*.b.org", near), "shop/near:1", "as it is written");
  assert.equal(chosen("*.c.b.org", near), "none");
});

test("a host that is divided among Services is refused with the reason, and kinds that are told apart by their ports are not", () => {
  assert.match(chosen("a.org", entry("Ingress", "a.org", "web:80,api:80")), /divided among several Services, by paths/);
  assert.match(
    chosen("a.org", entry("Ingress", "a.org", "web:80"), entry("HTTPRoute", "a.org", "web:80", { namespace: "bank" })),
    /divided/,
    "somebody else's route of the same host takes nothing over",
  );
  assert.equal(
    chosen("a.org", entry("Ingress", "a.org", "web:80"), entry("HTTPRoute", "a.org", "web:80")),
    "shop/web:80",
  );
  assert.equal(
    chosen("a.org", entry("Ingress", "a.org", "web:80"), entry("TLSRoute", "a.org", "web:443")),
    "shop/web:80 shop/web:443",
  );
  assert.match(chosen("a.org", entry("HTTPRoute", "a.org", "")), /leads to no Service/);
  assert.equal(chosen("a.org", entry("HTTPRoute", "a.org", "web:80", { problem: "is odd" })), "is odd");
});

const entries: Record<string, RouteEntry[]> = {
  shop: [
    entry("Ingress", "shop.example.org", "web:http"),
    entry("Ingress", "split.example.org", "web:80,api:80"),
    entry("HTTPRoute", "both.example.org", "web:80"),
    entry("TLSRoute", "both.example.org", "web:443"),
    entry("HTTPRoute", "gone.example.org", "gone:80"),
    entry("HTTPRoute", "api.example.org", "kubernetes:443"),
    entry("HTTPRoute", "*.wild.example.org", "web:80"),
  ],
  bank: [entry("HTTPRoute", "bank.example.org", "vault:80", { namespace: "bank" })],
};
const rule = { namespaces: ["shop"], hosts: ["*.example.org"] };
const grants = ["apps", "tunnels"];

/** A cluster in which each Service says its name, and the port that was meant. */
function cluster() {
  const asked: string[] = [];
  return {
    asked,
    async listRoutes(namespace: string) {
      asked.push(namespace);
      if (namespace === "locked")
        throw new KubeError({ status: 403, reason: "Forbidden", message: "10.0.0.1 says no" });
      return { entries: entries[namespace] ?? [], isCut: false };
    },
    async findService({ namespace, name }: { namespace: string; name: string }, port: PortName | undefined) {
      const number = port === "http" ? 80 : Number(port);
      if (name === "gone") throw new KubeError({ status: 404, reason: "NotFound", message: "none" });
      return {
        port: number,
        dial: async (): Promise<Duplex> => {
          if (name === "kubernetes") throw new KubeError({ status: 0, reason: "Forbidden", message: "kept out" });
          const [here, there] = duplexPair();
          there.end(`${namespace}/${name}:${number}`);
          there.resume();
          return here;
        },
      };
    },
  };
}

async function start(tunnels: object): Promise<TwoAgents & { asked: string[] }> {
  const { asked, ...finding } = cluster();
  const agents = await startTwoAgents({
    policy: policyOf({ tunnels: JSON.parse(JSON.stringify(tunnels)) }),
    ...finding,
  });
  agents.caller = { ...agents.caller, grants };
  return Object.assign(agents, { asked });
}

async function reach(agents: TwoAgents, host: string, port?: number): Promise<string> {
  const target = { kind: "route" as const, host, ...(port !== undefined && { port }) };
  const stream = await agents.origin.dial({ peer: "there", target });
  stream.end();
  return Buffer.concat(await stream.toArray()).toString();
}

function failsWith(failure: TunnelFailure, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof TunnelError, String(error));
    assert.match(error.message, message);
    assert.equal(error.failure, failure);
    return true;
  };
}

test("a host that the policy names is the Service that it leads to, by the Service's port or without one", async () => {
  await using agents = await start({ routes: [rule] });
  assert.equal(await reach(agents, "shop.example.org"), "shop/web:80");
  assert.equal(await reach(agents, "shop.example.org", 80), "shop/web:80");
  assert.equal(await reach(agents, "both.example.org", 443), "shop/web:443");
  assert.equal(await reach(agents, "any.thing.wild.example.org"), "shop/web:80");
  await assert.rejects(
    reach(agents, "shop.example.org", 443),
    failsWith("not-found", /does not lead to port 443, but to 80;/),
  );
  await assert.rejects(
    reach(agents, "both.example.org"),
    failsWith("denied", /has the ports 80 and 443, so one has to be said/),
  );
  await assert.rejects(reach(agents, "split.example.org"), failsWith("denied", /divided among several Services/));
  await assert.rejects(reach(agents, "gone.example.org"), failsWith("not-found", /leads to no Service that is here/));
  await assert.rejects(reach(agents, "none.example.org"), failsWith("not-found", /No route here has the host/));
  await assert.rejects(reach(agents, "api.example.org"), (error) => error instanceof TunnelError);
  assert.ok(
    agents.audited.host.some(({ target, verdict }) => target === "route/shop.example.org:80" && verdict === "allowed"),
  );
  assert.ok(agents.audited.host.some(({ rule }) => rule === "target/divided"));
});

test("what no policy names is refused before any route is looked at, and one rule's host is not looked for in another's namespaces", async () => {
  await using agents = await start({ routes: [rule, { namespaces: ["bank"], hosts: ["pay.example.net"] }] });
  await assert.rejects(reach(agents, "evil.example.com"), failsWith("denied", /\(rule: tunnels\/routes\)/));
  assert.deepEqual(agents.asked, []);
  await assert.rejects(reach(agents, "bank.example.org"), failsWith("not-found", /No route/));
  assert.deepEqual([...new Set(agents.asked)], ["shop"]);
  agents.caller = { ...agents.caller, grants: ["apps", "kubectl"] };
  await assert.rejects(reach(agents, "shop.example.org"), failsWith("denied", /fairlead peer grant here tunnels/));
});

test("names that are no hosts are refused as they come off the wire", async () => {
  await using agents = await start({ routes: [{ namespaces: ["shop"] }] });
  for (const host of [
    "",
    "..",
    "127.0.0.1",
    "SHOP.example.org",
    "a.*.org",
    "*",
    "**.org",
    "a/../b",
    "a\u0000b",
    "x".repeat(254),
    "a..b",
    "[::1]",
  ]) {
    const target = create(TargetSchema, { kind: { case: "route", value: { host } } });
    await assert.rejects(agents.originSession.dial(target), /no host in lower case/, host);
  }
  assert.deepEqual(agents.asked, []);
});

test("what is open ends when the policy no longer names the namespace of its route, though another still has the host", async () => {
  const state = { routes: [rule] };
  const finding = cluster();
  const dialled = Promise.withResolvers<Duplex>();
  await using agents = await startTwoAgents({
    get policy() {
      return policyOf({ tunnels: JSON.parse(JSON.stringify(state)) });
    },
    ...finding,
    findService: async () => ({
      port: 80,
      dial: async () => {
        const [here, there] = duplexPair();
        dialled.resolve(there);
        return here;
      },
    }),
  });
  agents.caller = { ...agents.caller, grants };
  const stream = await agents.origin.dial({ peer: "there", target: { kind: "route", host: "shop.example.org" } });
  const ended = once(stream, "error", { signal: patience() });
  state.routes = [{ namespaces: ["bank"], hosts: ["shop.example.org"] }];
  agents.host.exit.review(() => agents.caller);
  assert.match(String(await ended), /\(rule: tunnels\/routes\)/);
});

test("a namespace that the agent may not look at is told as such, without the words of the API server", async () => {
  await using agents = await start({ routes: [{ namespaces: ["locked"] }] });
  await assert.rejects(reach(agents, "a.org"), (error) => {
    assert.ok(error instanceof TunnelError && !error.message.includes("10.0.0.1"));
    assert.match(error.message, /lacks a right to read routes or Services/);
    return true;
  });
});

test("a peer is told of the hosts that its rules name, with the reason where one cannot be reached", async () => {
  const { listRoutes } = cluster();
  const services = [
    {
      name: "web",
      ports: [
        { number: 80, name: "http", appProtocol: "http", protocol: "TCP" as const },
        { number: 443, name: "", appProtocol: "", protocol: "TCP" as const },
      ],
      ready: true,
    },
    { name: "kubernetes", ports: [], ready: false },
  ];
  const source = routeOffers({ listRoutes, listServices: async () => ({ services, isCut: false }) });
  const { tunnels } = policyOf({
    tunnels: {
      routes: [
        { namespaces: ["shop", "locked"], hosts: ["*.example.org"] },
        { namespaces: ["bank"], hosts: ["x.net"] },
      ],
    },
  });
  const caller = { fingerprint: "f", guest: false, peer: "tokyo", grants };
  const { offers, problems } = await source.list(caller, tunnels, patience());
  assert.deepEqual(
    offers.map(({ target, notReady = "" }) =>
      [target.kind === "route" && `${target.host}:${target.port}`, notReady].join(" ").trim(),
    ),
    [
      "shop.example.org:80",
      "split.example.org:undefined The host is divided among several Services, by paths or otherwise, which a connection cannot be; name the Service instead.",
      "both.example.org:80",
      "both.example.org:443",
      "gone.example.org:undefined The host leads to no Service that is here.",
      "api.example.org:undefined The host leads to no Service that is here.",
      "*.wild.example.org:80",
    ],
  );
  assert.match(problems.join(), /^The peer's agent lacks a right to list routes or Services in the namespace locked/);
});

test("that a namespace has more routes than are looked at is told, with the hosts that are known", async () => {
  const { listRoutes } = cluster();
  const source = routeOffers({
    listRoutes: async (namespace) => ({ ...(await listRoutes(namespace)), isCut: true }),
    listServices: async () => ({ services: [], isCut: false }),
  });
  const { tunnels } = policyOf({ tunnels: { routes: [{ namespaces: ["shop"], hosts: ["*.example.org"] }] } });
  const caller = { fingerprint: "f", guest: false, peer: "tokyo", grants };
  const { offers, problems } = await source.list(caller, tunnels, patience());
  assert.ok(offers.length > 0);
  assert.deepEqual(problems, [
    "The namespace shop has more routes than are looked at, so some of their hosts are not known.",
  ]);
});
