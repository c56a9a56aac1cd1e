/** The way to an agent's door, on real sockets, with everything that stands in it in real networks. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type RequestListener } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { type TestContext, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { systemClock } from "../../src/base/clock.ts";
import { lookAtUrl } from "../../src/doctor/look-at-url.ts";
import { type Finding, Finding_Level } from "../../src/gen/fairlead/console/v1/doctor_service_pb.ts";
import type { ProbeDeps, ProbeTarget } from "../../src/link/probe/probe.ts";
import { newAuthority, newLeaf } from "../identity/forge-chain.ts";
import { listen, newAgent } from "../link/agents.ts";
import { openHarbour } from "../link/linked.ts";
import { startConnectProxy, startTlsFront } from "../link/proxies.ts";
import { patience, until } from "../patience.ts";

const levels = ["?", "ok", "warning", "problem"] as const;

async function lookAt(target: ProbeTarget, deps: Partial<ProbeDeps> = {}): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of lookAtUrl({ clock: systemClock, ...deps }, "west", target, patience()))
    found.push(finding);
  return found;
}

/** As in "ok dns, problem reach". */
function outline(found: readonly Finding[]): string {
  return found.map(({ level, check }) => `${levels[level]} ${check}`).join(", ");
}

function last(found: readonly Finding[]): Finding {
  const finding = found.at(-1);
  assert.ok(finding);
  return finding;
}

/** Something that answers HTTP where an agent should be. */
async function startIngress(t: TestContext, answer: RequestListener): Promise<string> {
  return `ws://127.0.0.1:${await listen(t, createServer(answer))}/link`;
}

test("an agent that answers as it should is found well at every step", async (t) => {
  const agent = await newAgent(t);
  const { port } = await openHarbour(t, agent);
  const found = await lookAt({ url: `ws://127.0.0.1:${port}/link`, pin: agent.identity.fingerprint });
  assert.equal(outline(found), "ok proxy, ok reach, ok upgrade, ok identity");
  assert.ok(last(found).evidence.includes(`fingerprint ${agent.identity.fingerprint}`));
});

test("through an ingress with a certificate of its own root: trusted by that root, named as untrusted without it", async (t) => {
  const agent = await newAgent(t);
  const { port } = await openHarbour(t, agent);
  const front = await startTlsFront(t, port);
  const target = { url: `wss://localhost:${front.port}/link`, pin: agent.identity.fingerprint };
  const trusted = await lookAt(
    { ...target, outer: { rootCaPem: front.rootCaPem } },
    { resolve: async () => ["127.0.0.1"] },
  );
  assert.equal(outline(trusted), "ok proxy, ok dns, ok reach, ok outer-tls, ok upgrade, ok identity");
  const refused = last(await lookAt(target, { resolve: async () => ["127.0.0.1"] }));
  assert.equal(outline([refused]), "problem outer-tls");
  assert.match(refused.summary, /not trusted/);
  assert.match(refused.remedy, /link\.caFile/);
  assert.match(refused.evidence[0] ?? "", /^issued by fairlead /);
  const careless = await lookAt({ ...target, outer: { insecure: true } }, { resolve: async () => ["127.0.0.1"] });
  assert.equal(outline(careless.slice(3)), "warning outer-tls, ok upgrade, ok identity");
});

test("somebody who intercepts TLS is named by the certificate that it forges", async (t) => {
  const agent = await newAgent(t);
  const { port } = await openHarbour(t, agent);
  const root = { ...newAuthority(Date.now()), subject: "Zscaler Intermediate Root CA" };
  const leaf = newLeaf(root, Date.now(), { names: [{ dns: "localhost" }] });
  const server = createTlsServer({ cert: leaf.pem, key: leaf.keyPem });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    const on = connect(port, "127.0.0.1");
    on.on("error", () => socket.destroy());
    socket.pipe(on).pipe(socket);
  });
  const url = `wss://localhost:${await listen(t, server)}/link`;
  const refused = last(await lookAt({ url }, { resolve: async () => ["127.0.0.1"] }));
  assert.equal(outline([refused]), "problem outer-tls");
  assert.match(refused.summary, /intercepted: .*Zscaler/);
  const passed = await lookAt({ url, outer: { insecure: true } }, { resolve: async () => ["127.0.0.1"] });
  assert.equal(
    outline(passed.slice(3)),
    "warning outer-tls, ok upgrade, ok identity",
    "the link inside stands all the same",
  );
});

test("a port on which nothing listens", async (t) => {
  const port = await listen(t, createTcpServer());
  const free = createTcpServer();
  const closed = await listen(t, free);
  await new Promise((resolve) => free.close(resolve));
  assert.notEqual(port, closed);
  const found = await lookAt({ url: `ws://127.0.0.1:${closed}/link` });
  assert.equal(outline(found), "ok proxy, problem reach");
  assert.match(last(found).summary, /nothing listens there/);
  assert.match(last(found).evidence[0] ?? "", /^127\.0\.0\.1: ECONNREFUSED/);
});

test("a name that is not there, and one that cannot be looked up now", async () => {
  const failing = (code: string) => async () => {
    throw Object.assign(new Error("no"), { code });
  };
  const absent = await lookAt({ url: "wss://west.invalid/link" }, { resolve: failing("ENOTFOUND") });
  assert.equal(outline(absent), "ok proxy, problem dns");
  assert.equal(last(absent).summary, "there is no host west.invalid");
  const later = await lookAt({ url: "wss://west.invalid/link" }, { resolve: failing("EAI_AGAIN") });
  assert.match(last(later).summary, /cannot be looked up: EAI_AGAIN/);
  assert.equal(
    outline([last(await lookAt({ url: "wss://west.invalid/link" }))]),
    "problem dns",
    "by the system's own look-up",
  );
});

test("one address family that does not work, behind another that does", async (t) => {
  const agent = await newAgent(t);
  const { port } = await openHarbour(t, agent);
  const resolve = async (): Promise<string[]> => ["127.0.0.1", "100::1"];
  const found = await lookAt({ url: `ws://localhost:${port}/link` }, { resolve, stepMs: 300 });
  const reach = found.find(({ check }) => check === "reach");
  assert.equal(reach?.level, Finding_Level.WARNING);
  assert.match(reach?.summary ?? "", /not over IPv6/);
});

test("a proxy that asks for credentials, and one that connects", async (t) => {
  const agent = await newAgent(t);
  const { port } = await openHarbour(t, agent);
  const proxy = await startConnectProxy(t, port, { credentials: "user:secret" });
  const target = { url: "ws://peer.example/link", pin: agent.identity.fingerprint };
  const refused = await lookAt({ ...target, proxy: { httpProxy: `http://127.0.0.1:${proxy.port}` } });
  assert.equal(outline(refused), "ok proxy, ok reach, problem proxy");
  assert.match(last(refused).summary, /HTTP 407/);
  const passed = await lookAt({ ...target, proxy: { httpProxy: `http://user:secret@127.0.0.1:${proxy.port}` } });
  assert.equal(outline(passed), "ok proxy, ok reach, ok proxy, ok upgrade, ok identity");
  assert.doesNotMatch(JSON.stringify(passed), /secret/);
  const broken = await lookAt({ ...target, proxy: { httpProxy: "ftp://user:secret@x" } });
  assert.equal(outline(broken), "problem proxy");
  assert.doesNotMatch(JSON.stringify(broken), /secret/);
});

test("an ingress that answers instead of the agent: what it said, and what would help", async (t) => {
  const absent = await startIngress(t, (_request, response) => {
    response.writeHead(404, { server: "nginx" }).end("<html><style>p{}</style><h1>404 Not\u001b[31m Found</h1></html>");
  });
  const found = last(await lookAt({ url: absent }));
  assert.equal(outline([found]), "ok clock");
  const all = await lookAt({ url: absent });
  const upgrade = all.find(({ check }) => check === "upgrade");
  assert.equal(upgrade?.level, Finding_Level.PROBLEM);
  assert.deepEqual(upgrade?.evidence, ["answered by HTTP 404", "by nginx", "“404 Not [31m Found”"]);
  assert.match(upgrade?.remedy ?? "", /path/);
  const down = await startIngress(t, (_request, response) => response.writeHead(502).end());
  assert.match(
    (await lookAt({ url: down })).find(({ check }) => check === "upgrade")?.remedy ?? "",
    /is its pod ready/,
  );
  const elsewhere = await startIngress(t, (_request, response) => {
    response.writeHead(302, { location: "https://login.example/" }).end();
  });
  const sent = (await lookAt({ url: elsewhere })).find(({ check }) => check === "upgrade");
  assert.ok(sent?.evidence.includes("sent to https://login.example/"));
});

test("a server whose clock is ten minutes off", async (t) => {
  const url = await startIngress(t, (_request, response) => {
    response.writeHead(404, { date: new Date(Date.now() + 600_000).toUTCString(), server: "nginx" }).end();
  });
  const clock = last(await lookAt({ url }));
  assert.equal(outline([clock]), "warning clock");
  assert.match(clock.summary, /nginx's \(.*\) clock is 10 min ahead of ours/);
});

test("another agent than the one that should be there, and one whose certificate is not of this time", async (t) => {
  const agent = await newAgent(t);
  const { port } = await openHarbour(t, agent);
  const url = `ws://127.0.0.1:${port}/link`;
  const other = last(await lookAt({ url, pin: "0".repeat(64) }));
  assert.equal(outline([other]), "problem identity");
  assert.match(other.summary, /another agent/);
  assert.ok(other.evidence.includes(`fingerprint ${agent.identity.fingerprint}`));
  for (const [days, words] of [
    [-30, /valid only in 30 days/],
    [30, /ended 29 days ago/],
  ] as const) {
    const clock = { ...systemClock, now: () => Date.now() + days * 86_400_000 };
    const found = last(await lookAt({ url, pin: agent.identity.fingerprint }, { clock }));
    assert.equal(outline([found]), "problem clock");
    assert.match(found.summary, words);
  }
});

test("what is behind a WebSocket and is no agent, what never answers, and what is no URL", async (t) => {
  const chat = createServer();
  chat.on("upgrade", (request, socket) => {
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.on("error", () => {});
    socket.write(
      `HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.write(Buffer.from([0x82, 5, ...Buffer.from("hello")]));
  });
  const noAgent = last(await lookAt({ url: `ws://127.0.0.1:${await listen(t, chat)}/link` }));
  assert.equal(outline([noAgent]), "problem identity");
  const mute = createTcpServer((socket) => void socket.on("error", () => {}));
  const silent = last(await lookAt({ url: `ws://127.0.0.1:${await listen(t, mute)}/link` }, { stepMs: 200 }));
  assert.equal(outline([silent]), "problem upgrade");
  assert.match(silent.summary, /no answer within 0\.2 s/);
  assert.equal(outline(await lookAt({ url: "ftp://x" })), "problem reach");
});

test("a look that is given up ends at once and leaves no connection behind", async (t) => {
  const open = new Set<unknown>();
  const mute = createTcpServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
  });
  const url = `ws://127.0.0.1:${await listen(t, mute)}/link`;
  const stop = new AbortController();
  const looking = (async () => {
    for await (const { check } of lookAtUrl({ clock: systemClock }, "west", { url }, stop.signal)) {
      if (check === "reach") setImmediate(() => stop.abort(new Error("enough")));
    }
  })();
  await assert.rejects(looking, /enough/);
  await until("all are closed", () => open.size === 0);
});
