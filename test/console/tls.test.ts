import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect as connectHttp2, constants } from "node:http2";
import { Agent, request } from "node:https";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { WebSocket } from "ws";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { givenCertificate, ownCertificate } from "../../src/console/tls/served-certificate.ts";
import { createTlsPort } from "../../src/console/tls/tls-port.ts";
import { AgentService } from "../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { makeAuthority, readAuthority } from "../../src/identity/authority.ts";
import { issueServerLeaf } from "../../src/identity/leaf.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { authority, bearer, type ConsoleWorld, startConsole, token } from "./console-world.ts";

const ca = authority.certPem;

/** The answer of an https request, by its status and its text. */
async function ask(world: ConsoleWorld, path: string, headers: Record<string, string> = bearer) {
  const req = request({ host: "127.0.0.1", port: world.port, path, headers, ca, agent: new Agent() });
  req.end();
  const [res] = await once(req, "response");
  return { status: res.statusCode, text: Buffer.concat(await res.toArray()).toString() };
}

async function shake(world: ConsoleWorld, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port: world.port, ca, ...options });
  await once(socket, "secureConnect");
  return socket;
}

const about = { getInfo: () => ({ name: "here" }) };

describe("TLS on the console's port", () => {
  test("stands beside clear text, with the protocol that the client chooses, and a name for every way to it", async () => {
    await using world = await startConsole();
    for (const [offered, chosen] of [
      [["h2", "http/1.1"], "h2"],
      [["http/1.1"], "http/1.1"],
      [undefined, false],
    ] as const) {
      const socket = await shake(world, offered ? { ALPNProtocols: [...offered] } : {});
      assert.equal(socket.alpnProtocol, chosen);
      socket.destroy();
    }
    for (const servername of ["console.fairlead.internal", "web-shop-http.apps.example"]) {
      (await shake(world, { servername })).destroy();
    }
    await assert.rejects(shake(world, { servername: "elsewhere.example" }), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    assert.equal((await world.ask("/nothing")).status, 404);
  });

  test("serves the API to each protocol over it", async () => {
    await using world = await startConsole({ routes: (router) => void router.service(AgentService, about) });
    const baseUrl = `https://127.0.0.1:${world.port}`;
    const interceptors = [
      (next: Parameters<import("@connectrpc/connect").Interceptor>[0]) =>
        (req: Parameters<typeof next>[0]): ReturnType<typeof next> => {
          req.header.set("authorization", `Bearer ${token}`);
          return next(req);
        },
    ];
    const nodeOptions = { ca };
    for (const transport of [
      createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions, interceptors }),
      createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions, interceptors }),
      createGrpcTransport({ baseUrl, nodeOptions, interceptors }),
    ]) {
      const { name } = await createClient(AgentService, transport).getInfo({});
      assert.equal(name, "here");
    }
  });

  test("shows apps over HTTP/1.1 and HTTP/2, which learn that it was TLS; upgrades too", async () => {
    await using world = await startConsole();
    await world.run("web", async (req, res) => {
      const body = Buffer.concat(await req.toArray());
      res.writeHead(201, { "set-cookie": ["a=1", "b=2"], trailer: "x-sum", "x-content-type-options": "nosniff" });
      res.addTrailers({ "x-sum": "7" });
      res.end(
        `${req.method} ${req.headers["x-forwarded-proto"]} ${req.headers["x-forwarded-for"]} ${req.headers.cookie} ${body.length}`,
      );
    });
    assert.equal((await ask(world, "/apps/shop/web/http/")).text, "GET https 127.0.0.1 undefined 0");

    const session = connectHttp2(`https://127.0.0.1:${world.port}`, { ca });
    const body = Buffer.alloc(3_000_000, 1);
    const stream = session.request({
      ":method": "POST",
      ":path": "/apps/shop/web/http/",
      ...bearer,
      cookie: ["x=1", "y=2"],
    });
    let trailers: unknown;
    stream.once("trailers", (headers) => {
      trailers = headers["x-sum"];
    });
    stream.end(body);
    const [headers] = await once(stream, "response");
    assert.equal(Buffer.concat(await stream.toArray()).toString(), "POST https 127.0.0.1 x=1; y=2 3000000");
    assert.deepEqual([headers[":status"], headers["set-cookie"], trailers], [201, ["a=1", "b=2"], "7"]);
    session.close();

    const socket = new WebSocket(`wss://127.0.0.1:${world.port}/session`, { headers: bearer, ca });
    await once(socket, "open");
    socket.terminate();
  });

  test("breaks a request over HTTP/2 off at both ends when one of them goes", async () => {
    await using world = await startConsole();
    let gone = false;
    await world.run("web", (req, res) => {
      res.write("first");
      res.once("close", () => {
        gone = true;
      });
      if (req.url === "/break") setImmediate(() => req.socket.destroy());
    });
    const session = connectHttp2(`https://127.0.0.1:${world.port}`, { ca });
    const broken = session.request({ ":path": "/apps/shop/web/http/break", ...bearer });
    await assert.rejects(broken.toArray());
    assert.equal(broken.rstCode, constants.NGHTTP2_INTERNAL_ERROR);

    gone = false;
    const left = session.request({ ":path": "/apps/shop/web/http/", ...bearer });
    await once(left, "data");
    left.close(constants.NGHTTP2_CANCEL);
    await until("the app hears of it", () => gone);
    session.close();
  });

  test("cuts who begins a handshake and does not go on, and does not keep them when it closes", async () => {
    const clock = createFakeClock();
    const world = await startConsole({ clock });
    const stall = async (): Promise<Socket> => {
      const socket = connectTcp(world.port, "127.0.0.1");
      socket.on("error", () => undefined);
      await once(socket, "connect");
      socket.write(Buffer.from([0x16, 3, 1, 2, 0]));
      return socket;
    };
    const first = await stall();
    const closed = once(first, "close");
    await until("its time runs", () => {
      void clock.advance(1_000);
      return first.closed;
    });
    await closed;
    const second = await stall();
    const ended = once(second, "close");
    assert.equal((await ask(world, "/nothing")).status, 404);
    const disposed = world[Symbol.asyncDispose]();
    await until("it ends", () => {
      void clock.advance(1_000);
      return second.closed;
    });
    await Promise.all([ended, disposed]);
  });
});

describe("the certificate by the agent's CA", () => {
  test("is renewed by itself after two thirds of its time, and is for servers of these names only", async () => {
    const clock = createFakeClock();
    const issued: string[] = [];
    const certificate = ownCertificate(
      {
        issue(names, lifetimeMs) {
          const leaf = issueServerLeaf(authority, names, clock.now(), lifetimeMs);
          issued.push(leaf.certPem);
          return leaf;
        },
        caPem: authority.certPem,
        clock,
      },
      ["a.example", "*.a.example", "10.1.2.3", "::1", "2001:db8::10.0.0.1", "no name"],
    );
    const first = certificate.current();
    await clock.advance(19 * 24 * 3_600_000);
    assert.equal(certificate.current(), first);
    await clock.advance(2 * 24 * 3_600_000);
    assert.notEqual(certificate.current(), first);
    assert.equal(issued.length, 2);
    const parsed = new X509Certificate(issued[0] ?? "");
    assert.equal(
      parsed.subjectAltName,
      "DNS:console.fairlead.internal, DNS:a.example, DNS:*.a.example, IP Address:10.1.2.3, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:0:A00:1",
    );
    assert.deepEqual(parsed.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
    assert.ok(parsed.verify(authority.publicKey));
  });
});

describe("a certificate that was given", () => {
  const pair = () => {
    const leaf = issueServerLeaf(
      readAuthority(makeAuthority(Date.now())),
      [{ dns: "a.example" }],
      Date.now(),
      3_600_000,
    );
    return { cert: leaf.certPem, key: leaf.keyPem.reveal() };
  };

  const own = {
    own: () => assert.fail("nobody asks for it here"),
  };

  test("is taken up anew when its files change to another pair, and kept while they are none", async () => {
    const clock = createFakeClock();
    let files = pair();
    const certificate = await givenCertificate({
      certFile: "cert",
      keyFile: "key",
      own,
      clock,
      log: silentLog,
      read: async (path) => (path === "cert" ? files.cert : files.key),
    });
    const first = certificate.current();
    const good = files;
    files = { ...good, key: pair().key };
    await clock.advance(30_000);
    assert.equal(certificate.current(), first);
    files = good;
    await clock.advance(30_000);
    assert.equal(certificate.current(), first);
    files = pair();
    await clock.advance(30_000);
    assert.notEqual(certificate.current(), first);
    certificate.close();
  });

  test("is shown to all but those who ask for the name that the agent's own has, who know its CA", async (t) => {
    const given = pair();
    const beside = ownCertificate(
      {
        issue: (names, lifetimeMs) => issueServerLeaf(authority, names, Date.now(), lifetimeMs),
        caPem: ca,
        clock: systemClock,
      },
      [],
    );
    const files = {
      certFile: "cert",
      keyFile: "key",
      read: async (path: string) => given[path === "cert" ? "cert" : "key"],
    };
    const certificate = await givenCertificate({ ...files, own: beside, clock: systemClock, log: silentLog });
    const port = createTlsPort({
      certificate,
      http1: (socket) => socket.end(),
      http2: (socket) => socket.end(),
      clock: systemClock,
      log: silentLog,
    });
    const server = createServer((socket) => port.accept(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => {
      server.close();
      port.close();
      certificate.close();
    });
    const shownTo = async (servername: string): Promise<string> => {
      const { port } = server.address() as AddressInfo;
      const socket = connect({ host: "127.0.0.1", port, servername, rejectUnauthorized: false });
      await once(socket, "secureConnect");
      const isOwn = socket.getPeerX509Certificate()?.verify(authority.publicKey);
      socket.destroy();
      return isOwn ? "the agent's own" : "the one that was given";
    };
    assert.equal(await shownTo("a.example"), "the one that was given");
    assert.equal(await shownTo("console.fairlead.internal"), "the agent's own");
    assert.equal(await shownTo("localhost"), "the one that was given");
  });

  test("stops the start when it cannot be used", async () => {
    const { cert } = pair();
    const read = async (path: string): Promise<string> => (path === "cert" ? cert : pair().key);
    await assert.rejects(
      givenCertificate({ certFile: "cert", keyFile: "key", own, clock: systemClock, log: silentLog, read }),
      /certificate \(cert\) and key \(key\) cannot be used/,
    );
  });
});
