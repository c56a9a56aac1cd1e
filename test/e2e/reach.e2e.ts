/**
 * What a peer has, reached from the other cluster with agents that the chart installed: Services, addresses outside, metrics and an app's own
 * door, by `fairlead forward` and over HTTP; routes, and the cluster's DNS by UDP. HOST_IP is this machine's address as pods see it.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { type Cluster, openCluster, refreshDefinitions } from "./clusters.ts";
import { type CutProxy, openCutProxy } from "./cut-proxy.ts";
import { namesAreResolved } from "./dns.ts";
import { converse, endingOf, open, type RunningForward, startForward, startOutside } from "./forwards.ts";
import { valuesAt } from "./helm-values.ts";
import { clean, connected, type InstalledAgent, linkPort, openAgent, releaseNamespace } from "./installed.ts";
import { thereIn } from "./reach-there.ts";
import { defineRouteKinds, makeRoutes, removeRouteKinds } from "./route-kinds.ts";
import { until } from "./until.ts";
import { rightsOf, usedRights } from "./used-rights.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const machine = process.env.HOST_IP;
const namespace = `reach-${randomBytes(3).toString("hex")}`;
const ours = /^(reach-[0-9a-f]{6}|fairlead-chart|fairlead-peer-reach-[ab])$/;
const startedAt = new Date();
/** Of a policy that opens all of it. */
const services = [
  ...["echo", "outward", "api"].map((name) => ({ namespace, name })),
  { namespace: "kube-system", name: "kube-dns", ports: [53] },
];
const routes = { ingress: "shop.reach.example", gateway: "gate.reach.example" };

let a: Cluster;
let b: Cluster;
let origin: InstalledAgent;
let host: InstalledAgent;
let outside: Awaited<ReturnType<typeof startOutside>>;
/** Carries the link. */
let way: CutProxy;
before(
  async () => {
    a = openCluster("a");
    b = openCluster("b");
    if (!machine) throw new Error("HOST_IP must say where this machine is for pods");
    outside = await startOutside(machine);
    await Promise.all([clean(a, ours), clean(b, ours)]);
    await Promise.all([refreshDefinitions(a), refreshDefinitions(b)]);
    [origin, host] = await Promise.all([openAgent(a, "reach-a"), openAgent(b, "reach-b")]);
    await Promise.all([
      a.kubectl(["create", "namespace", namespace]),
      b.kubectl(["apply", "-f", "-"], thereIn(namespace, image, process.env.NODE_IP_B)),
    ]);
    await defineRouteKinds(b);
    await makeRoutes(b, namespace, routes);
    way = await openCutProxy({ host: new URL(host.linkUrl).hostname, port: linkPort }, machine);
    const tunnels = {
      services,
      routes: [{ namespaces: [namespace] }],
      addresses: [{ name: "outside", host: machine, ports: [outside.port] }],
      metrics: true,
    };
    const opened = {
      ...valuesAt("policies[0].spec.tunnels", tunnels),
      "link.url": `ws://${machine}:${way.port}/link`,
    };
    // Else the host would dial it, past the proxy.
    await Promise.all([origin.install({ "link.url": "" }), host.install(opened)]);
    const invite = (await host.cli(["invite", "--grant", "apps", "--grant", "tunnels"])).trim();
    await origin.cli(["join", "-"], invite);
    await connected(origin, host);
    await b.kubectl(["-n", namespace, "rollout", "status", "deployment/echo", "--timeout=50s"]);
  },
  { timeout: 300_000 },
);

after(
  async () => {
    outside?.close();
    way?.close();
    await Promise.all([a, b].filter(Boolean).map((cluster) => clean(cluster, ours)));
    if (b) await removeRouteKinds(b);
  },
  { timeout: 180_000 },
);

const service = (name: string, port: number | string): string => `service/${namespace}/${name}:${port}`;
const shut = { headers: { connection: "close" } };

async function withForward(targets: readonly string[], use: (forward: RunningForward) => Promise<void>): Promise<void> {
  const forward = await startForward(origin, host.name, targets);
  try {
    await use(forward);
  } finally {
    await forward.end();
  }
}

function changePolicy(tunnels: object): Promise<string> {
  const change = JSON.stringify({ spec: { tunnels } });
  return b.kubectl(["patch", "ppol", "all", "-n", releaseNamespace, "--type=merge", "-p", change]);
}

test("a Service is here by its port's number and name: bytes both ways with their hashes, and an end leaves the way back open", {
  timeout: 120_000,
}, async () => {
  await withForward([service("echo", 80), service("echo", "http"), service("echo", 9000)], async ({ ports }) => {
    const [byNumber, byName, talk = 0] = ports;
    for (const port of [byNumber, byName]) {
      const answer = await fetch(`http://127.0.0.1:${port}/bytes?n=${20 << 20}`, shut);
      const hash = createHash("sha256").update(Buffer.from(await answer.arrayBuffer()));
      assert.equal(hash.digest("hex"), answer.headers.get("x-sha256"));
    }
    const sent = randomBytes(5 << 20);
    assert.ok((await converse(talk, sent)).equals(sent));
    const all = await Promise.all(
      Array.from({ length: 100 }, (_, n) => converse(talk, Buffer.from(`hail ${n}`)).then(String)),
    );
    assert.deepEqual(
      all,
      Array.from({ length: 100 }, (_, n) => `hail ${n}`),
    );
  });
});

test("a Service by the path door: its answer, an upload with its hash, an event stream at once, a WebSocket", {
  timeout: 120_000,
}, async () => {
  await origin.withConsole(async (url, headers) => {
    const door = `${url}/peers/${host.name}/services/${namespace}/echo/http`;
    const echoed = (await (await fetch(`${door}/hello?who=me`, { headers })).json()) as { path: string; query: object };
    assert.equal(echoed.path, "/hello");
    const body = randomBytes(5 << 20);
    const up = await fetch(`${door}/upload`, { method: "POST", headers, body });
    assert.deepEqual(await up.json(), { bytes: 5 << 20, sha256: createHash("sha256").update(body).digest("hex") });
    const stopped = new AbortController();
    const stream = await fetch(`${door}/stream?n=10&ms=3600000`, { headers, signal: stopped.signal });
    assert.ok(((await stream.body?.getReader().read())?.value?.length ?? 0) > 0);
    stopped.abort();
    const socket = new WebSocket(`${door.replace("http", "ws")}/ws`, ["echo.v1"], { headers });
    await once(socket, "open");
    socket.send("ahoy");
    const [said] = await once(socket, "message");
    assert.deepEqual([String(said), socket.protocol], ["ahoy", "echo.v1"]);
    socket.terminate();
    const closed = await fetch(`${url}/peers/${host.name}/services/${namespace}/closed/80/`, { headers });
    const { error } = (await closed.json()) as { error: { code: string } };
    assert.deepEqual([closed.status, error.code], [403, "refused"]);
    const unknown = await fetch(`${door}/hello`);
    assert.equal(unknown.status, 401);
  });
});

const refusals = [
  { target: service("closed", 80), says: /no policy here lets peer reach-a reach the Service .*closed/ },
  { target: service("echo", 81), says: /no such thing here as the Service .*echo with TCP port 81/ },
  { target: service("outward", 80), says: /no such thing here as the Service .*outward/ },
  { target: service("api", 6443), says: /leads to where peers are not let: .*API server/ },
];

test("what no policy names, a name for something outside, and the API server behind a Service are refused with the reason", {
  timeout: 120_000,
}, async () => {
  await withForward(
    refusals.map(({ target }) => target),
    async ({ ports, told }) => {
      for (const port of ports) assert.equal(await endingOf(open(port)), "reset");
      for (const { says } of refusals) await until(`it says ${says}`, async () => says.test(told()), { seen: told });
    },
  );
});

test("an address outside that the policy names is here: a reset is a reset on both sides, and an end is an end", {
  timeout: 120_000,
}, async () => {
  await withForward(["address/outside"], async ({ ports: [port = 0] }) => {
    const broken = open(port);
    broken.write("reset");
    assert.equal(await endingOf(broken), "reset");
    for (const how of ["reset", "end"] as const) {
      const socket = open(port);
      socket.write("hello");
      await once(socket, "data");
      if (how === "reset") socket.resetAndDestroy();
      else socket.end();
      await until(`the server outside saw it: ${how}`, async () => outside.endings.at(-1) === how, {
        seen: () => outside.endings,
      });
      socket.destroy();
    }
  });
});

test("names of the peer's cluster are resolved here, by UDP and by TCP, over a carrier that is cut", {
  timeout: 180_000,
}, async () => {
  const server = "service/kube-system/kube-dns:53";
  await withForward([`${server}/udp`, server], (forward) => namesAreResolved(b, namespace, forward, way));
});

test("hosts of an Ingress and of an HTTPRoute lead to the Service behind them, and others nowhere", {
  timeout: 120_000,
}, async () => {
  const hosts = [routes.ingress, routes.gateway, "closed.reach.example"];
  await withForward(
    hosts.map((host) => `route/${host}:80`),
    async ({ ports: [ingress, gateway, closed = 0], told }) => {
      for (const port of [ingress, gateway]) {
        const answer = await fetch(`http://127.0.0.1:${port}/hello`, shut);
        assert.deepEqual([answer.status, JSON.parse(await answer.text()).path], [200, "/hello"]);
      }
      assert.equal(await endingOf(open(closed)), "reset");
      await until("it says why", async () => told().includes("closed.reach.example"), { seen: told });
    },
  );
});

test("the metrics of the peer's agent are here, and count what was reached", { timeout: 120_000 }, async () => {
  await withForward(["metrics"], async ({ ports }) => {
    const text = await (await fetch(`http://127.0.0.1:${ports[0]}/metrics`, shut)).text();
    assert.match(text, /^fairlead_tunnel_\w+\{[^}]*kind="service"[^}]*\} [1-9]/m);
  });
});

test("an app has a host of its own, for those with a token, and as many requests as it says", {
  timeout: 180_000,
}, async () => {
  const spec = {
    peer: host.name,
    image,
    ports: [{ containerPort: 8080 }],
    door: { access: "Token", requestsPerSecond: 5 },
  };
  const app = { apiVersion: "fairlead.dev/v1alpha1", kind: "RemoteApp", metadata: { name: "shown", namespace }, spec };
  await a.kubectl(["apply", "-f", "-"], JSON.stringify(app));
  let status = "";
  const isUp = async (): Promise<boolean> => {
    status = await a.kubectl(["get", "rapp/shown", "-n", namespace, "-o", "jsonpath={.status}"]);
    return (JSON.parse(status || "{}") as { phase?: string }).phase === "Ready";
  };
  await until("the app is ready", isUp, { seconds: 100, seen: () => status });
  await origin.withConsole(async (url, headers) => {
    const ask = (
      path: string,
      more: object,
    ): Promise<{ status: number; retryAfter: string | undefined; text: string }> =>
      answerOf(url, path, { host: `shown-${namespace}-8080.localhost`, ...more });
    assert.equal((await ask("/hello", {})).status, 401);
    const shown = await ask("/hello", headers);
    assert.deepEqual([shown.status, JSON.parse(shown.text).path], [200, "/hello"]);
    // A slow machine may need several goes to ask faster than that.
    await until("some are too many", async () => {
      const many = await Promise.all(Array.from({ length: 40 }, () => ask("/hello", headers)));
      const limited = many.filter(({ status }) => status === 429);
      assert.ok(limited.length < 40 && many.every(({ status }) => status === 200 || status === 429));
      return limited.length > 0 && limited.every(({ retryAfter }) => Number(retryAfter) > 0);
    });
  });
});

/** fetch lets nobody choose the host. */
async function answerOf(url: string, path: string, headers: object) {
  const [answer]: IncomingMessage[] = await once(get(url + path, { headers: { ...headers } }), "response");
  assert.ok(answer);
  let text = "";
  for await (const chunk of answer) text += chunk;
  return { status: answer.statusCode ?? 0, retryAfter: answer.headers["retry-after"], text };
}

test("where first use needs approval it waits for a person, and one approval opens it", {
  timeout: 180_000,
}, async () => {
  await changePolicy({ approval: "FirstUse" });
  await withForward([service("echo", "http")], async ({ ports, told }) => {
    const url = `http://127.0.0.1:${ports[0]}/hello`;
    const isHeld = async (): Promise<boolean> => {
      await fetch(url, shut).catch(() => undefined);
      return /fairlead inbox approve/.test(told());
    };
    await until("it is told how somebody there approves it", isHeld, { seen: told });
    const { items } = JSON.parse(await host.cli(["inbox", "list", "-o", "json"])) as { items: { name: string }[] };
    assert.equal(items.length, 1);
    await host.cli(["inbox", "approve", items[0]?.name ?? "", "-y"]);
    await until("it is open", async () => (await fetch(url, shut)).status === 200, { seen: told });
  });
  await changePolicy({ approval: null });
});

test("what a policy takes back ends at once, and is open again when it is given back", {
  timeout: 180_000,
}, async (t) => {
  await withForward([service("echo", 9000)], async ({ ports: [port = 0], told }) => {
    const socket = open(port);
    socket.write("ahoy");
    await once(socket, "data");
    const broken = endingOf(socket);
    await changePolicy({ services: services.slice(1) });
    const from = performance.now();
    assert.equal(await broken, "reset");
    const ms = Math.round(performance.now() - from);
    t.diagnostic(`${ms} ms after kubectl had written it`);
    assert.equal(await endingOf(open(port)), "reset");
    await changePolicy({ services });
    const isOpen = async (): Promise<boolean> => (await converse(port, Buffer.from("ahoy"))).toString() === "ahoy";
    await until("it is open again", isOpen, { seen: told });
  });
});

test("when the peer's agent is killed what was open is reset, and the next connection goes through", {
  timeout: 240_000,
}, async () => {
  await withForward([service("echo", 9000)], async ({ ports: [port = 0], told }) => {
    const socket = open(port);
    socket.write("ahoy");
    await once(socket, "data");
    const broken = endingOf(socket);
    await host.killPod();
    await connected(origin, host);
    // Not when the old process has been given up, a minute later.
    let how: string | undefined;
    void broken.then((ending) => {
      how = ending;
    });
    await until("what was open is reset", async () => how === "reset", { seconds: 30, seen: () => how });
    const isOpen = async (): Promise<boolean> => (await converse(port, Buffer.from("ahoy"))).toString() === "ahoy";
    await until("the next connection goes through", isOpen, { seconds: 90, seen: told });
  });
});

test("what there is, is told: the targets that a policy opens and that lead somewhere, and no others", {
  timeout: 180_000,
}, async () => {
  let shown = "";
  const told = async (...more: string[]): Promise<string> => {
    shown = await origin.cli(["target", "list", host.name, ...more]);
    return shown;
  };
  const shown8080 = `app/${namespace}/shown:8080`;
  const opened = [
    `address/outside:${outside.port}`,
    shown8080,
    "metrics",
    ...[routes.gateway, routes.ingress].map((host) => `route/${host}:80`),
    ...["53", "53/udp"].map((port) => `service/kube-system/kube-dns:${port}`),
    service("echo", 80),
    service("echo", 9000),
  ];
  const isAll = async (): Promise<boolean> => (await told("-o", "name")) === `${opened.join("\n")}\n`;
  await until("all of it is told", isAll, { seen: () => shown });
  // The pod may be a new one, since it stood at the test before.
  const isReady = async (): Promise<boolean> => /echo:9000 +talk +TCP +Ready/.test(await told());
  await until("it is ready", isReady, { seen: () => shown });
});

test("each right of the chart's Role fairlead-reached was used", { timeout: 60_000 }, async (t) => {
  const given = await rightsOf(b, [["role", "fairlead-reached", "-n", namespace]]);
  assert.deepEqual(given, [
    "/services get",
    "/services list",
    "discovery.k8s.io/endpointslices list",
    ...["httproutes", "tcproutes", "tlsroutes"].map((kind) => `gateway.networking.k8s.io/${kind} list`),
    "networking.k8s.io/ingresses list",
  ]);
  const used = await usedRights(startedAt, namespace);
  if (!used) return t.diagnostic("AUDIT_LOG_A and AUDIT_LOG_B are not set; this is left out");
  assert.deepEqual(
    given.filter((right) => !used.has(right)),
    [],
  );
});

test("without the Role fairlead-reached the dial says which right is missing, and the commands of docs/rbac.md give it", {
  timeout: 180_000,
}, async () => {
  await withForward([service("echo", 9000)], async ({ ports: [port = 0], told }) => {
    const isOpen = async (): Promise<boolean> => (await converse(port, Buffer.from("ahoy"))).toString() === "ahoy";
    await b.kubectl(["delete", "rolebinding", "fairlead-reached", "-n", namespace]);
    const isMissed = async (): Promise<boolean> => {
      await isOpen().catch(() => false);
      return /lacks the right to read Services in the namespace/.test(told());
    };
    await until("the right is missed", isMissed, { seen: told });
    await b.kubectl(["delete", "role", "fairlead-reached", "-n", namespace]);
    const account = `--serviceaccount=${releaseNamespace}:fairlead`;
    for (const [role, verb, resource] of [
      ["fairlead-reached", "get,list", "services"],
      ["fairlead-reached-endpoints", "list", "endpointslices.discovery.k8s.io"],
    ]) {
      await b.kubectl(["-n", namespace, "create", "role", `${role}`, `--verb=${verb}`, `--resource=${resource}`]);
      await b.kubectl(["-n", namespace, "create", "rolebinding", `${role}`, `--role=${role}`, account]);
    }
    await until("it is open again", isOpen, { seen: told });
  });
});
