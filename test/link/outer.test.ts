import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { connect as connectTo, createServer, type Socket } from "node:net";
import { suite, test } from "node:test";
import { openOuter } from "../../src/link/outer.ts";
import { describeOuterTlsFailure } from "../../src/link/outer-failure.ts";
import { acceptWebSocket } from "../../src/link/websocket.ts";
import { patience, until } from "../patience.ts";
import { listen, newAgent } from "./agents.ts";
import { dialFrom, openHarbour, provesItself, refusedWith } from "./linked.ts";
import { startConnectProxy, startTlsFront } from "./proxies.ts";
import { createTlsBreaker } from "./tls-breaker.ts";

suite("through an HTTP CONNECT proxy", () => {
  test("a link stands, over ws and wss, to a name that only the proxy can look up", async (t) => {
    const [near, far] = [await newAgent(t), await newAgent(t)];
    const harbour = await openHarbour(t, far);
    const pin = far.identity.fingerprint;

    const plain = await startConnectProxy(t, harbour.port);
    const httpProxy = `http://127.0.0.1:${plain.port}`;
    await provesItself(await dialFrom(t, near, { url: "ws://peer.example:8001/link", pin, proxy: { httpProxy } }));
    assert.deepEqual(plain.asked, [{ authority: "peer.example:8001", authorization: undefined }]);

    const front = await startTlsFront(t, harbour.port);
    const secure = await startConnectProxy(t, front.port);
    const proxy = { httpProxy: "http://127.0.0.1:1", httpsProxy: `127.0.0.1:${secure.port}` };
    await provesItself(
      await dialFrom(t, near, { url: "wss://peer.example/link", pin, proxy, outer: { rootCaPem: front.rootCaPem } }),
    );
    assert.deepEqual(secure.asked, [{ authority: "peer.example:443", authorization: undefined }]);
  });

  test("it gets the user and password of its URL, and no error repeats them", async (t) => {
    const [near, far] = [await newAgent(t), await newAgent(t)];
    const harbour = await openHarbour(t, far);
    const to = { url: "ws://peer.example/link", pin: far.identity.fingerprint };
    const proxy = await startConnectProxy(t, harbour.port, { credentials: "user:p@ss:wörd" });
    const dial = (credentials: string) =>
      dialFrom(t, near, { ...to, proxy: { httpProxy: `http://${credentials}@127.0.0.1:${proxy.port}` } });
    await provesItself(await dial("user:p%40ss%3Aw%C3%B6rd"));
    await assert.rejects(dial("user:geheim"), (error: Error) => {
      assert.match(error.message, /HTTP 407.*user and a password/);
      assert.doesNotMatch(error.message, /geheim/);
      return true;
    });
    await refusedWith(dial(""), "proxy", /407/);
  });

  test("it may itself be reached by TLS", async (t) => {
    const [near, far] = [await newAgent(t), await newAgent(t)];
    const harbour = await openHarbour(t, far);
    const proxy = await startConnectProxy(t, harbour.port, { tls: true });
    const to = {
      url: "ws://peer.example/link",
      pin: far.identity.fingerprint,
      proxy: { httpProxy: `https://localhost:${proxy.port}` },
    };
    await provesItself(await dialFrom(t, near, { ...to, outer: { rootCaPem: proxy.rootCaPem } }));
    await refusedWith(dialFrom(t, near, to), "outer-tls");
  });

  test("no byte is lost that comes in the packet of its answer", async (t) => {
    const proxy = createServer((socket) => socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\n\r\nearly")));
    const url = new URL("ws://peer.example/link");
    const way = { proxy: new URL(`http://127.0.0.1:${await listen(t, proxy)}`), tls: {} };
    const socket = await openOuter(url, way, patience());
    const [bytes] = await once(socket, "data", { signal: patience() });
    assert.equal(String(bytes), "early");
    socket.destroy();
  });

  test("what it refuses, and what is no proxy, is told apart", async (t) => {
    const near = await newAgent(t);
    const to = { url: "ws://peer.example/link", pin: "0".repeat(64) };
    const dial = (port: number) => dialFrom(t, near, { ...to, proxy: { httpProxy: `http://127.0.0.1:${port}` } });
    const harbour = await openHarbour(t, near);
    await refusedWith(dial((await startConnectProxy(t, 1, { status: 403 })).port), "proxy", /HTTP 403.*does not allow/);
    await refusedWith(dial((await startConnectProxy(t, 1, { status: 502 })).port), "proxy", /HTTP 502/);
    await refusedWith(dial(harbour.port), "proxy");
    const endless = createServer((socket) =>
      socket.once("data", () => socket.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(99_999)}`)),
    );
    await refusedWith(dial(await listen(t, endless)), "proxy", /header/i);
  });
});

suite("behind a proxy that ends TLS", () => {
  test("a link stands when its root is given, and an outer path prefix is kept", async (t) => {
    const [near, far] = [await newAgent(t), await newAgent(t)];
    const harbour = await openHarbour(t, far);
    const front = await startTlsFront(t, harbour.port);
    const to = { pin: far.identity.fingerprint, outer: { rootCaPem: front.rootCaPem } };
    for (const path of ["/link", "", "/some/prefix/link", "/some/prefix/"]) {
      await provesItself(await dialFrom(t, near, { ...to, url: `wss://localhost:${front.port}${path}` }));
    }
  });

  test("the path that is asked for is the URL's, with /link at its end once", async (t) => {
    const near = await newAgent(t);
    const paths: (string | undefined)[] = [];
    const server = createHttpServer((request, response) => {
      paths.push(request.url);
      response.writeHead(404).end();
    });
    server.on("upgrade", (request, socket) => {
      paths.push(request.url);
      socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    const port = await listen(t, server);
    for (const path of ["", "/", "/a%20b/", "/a/link", "/a/link/?x=1"]) {
      await refusedWith(
        dialFrom(t, near, { url: `ws://127.0.0.1:${port}${path}`, pin: "0".repeat(64) }),
        "not-an-agent",
      );
    }
    assert.deepEqual(paths, ["/link", "/link", "/a%20b/link", "/a/link", "/a/link?x=1"]);
  });

  test("an untrusted outer certificate is refused, unless it is allowed explicitly; the peer is pinned all the same", async (t) => {
    const [near, far, other] = [await newAgent(t), await newAgent(t), await newAgent(t)];
    const harbour = await openHarbour(t, far);
    const front = await startTlsFront(t, harbour.port);
    const wrongRoot = (await startTlsFront(t, harbour.port)).rootCaPem;
    const url = `wss://localhost:${front.port}/link`;
    const pin = far.identity.fingerprint;
    await refusedWith(dialFrom(t, near, { url, pin }), "outer-tls", /certificate.*link\.caFile.*link\.insecure/);
    await refusedWith(dialFrom(t, near, { url, pin, outer: { rootCaPem: wrongRoot } }), "outer-tls", /link\.caFile/);
    await refusedWith(
      dialFrom(t, near, { url: `wss://127.0.0.1:${front.port}/link`, pin, outer: { rootCaPem: front.rootCaPem } }),
      "outer-tls",
      /altnames.*Dial a name .*DNS:peer\.example/,
    );
    await provesItself(await dialFrom(t, near, { url, pin, outer: { insecure: true } }));
    await refusedWith(
      dialFrom(t, near, { url, pin: other.identity.fingerprint, outer: { insecure: true } }),
      "untrusted",
    );
    const noTls = { url: `wss://localhost:${harbour.port}/link`, pin };
    await refusedWith(dialFrom(t, near, noTls), "outer-tls", /Does that port speak TLS\?/);
  });

  test("what is wrong with an outer certificate decides what to try", () => {
    const described = (code: string) => describeOuterTlsFailure("h", Object.assign(new Error("so"), { code }));
    for (const code of ["SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "INVALID_CA"]) {
      assert.match(described(code), /^The outer TLS with h failed: so\. Name a file with the root .* by link\.caFile/);
    }
    assert.match(described("CERT_HAS_EXPIRED"), /Renew/);
    assert.match(described("ERR_TLS_CERT_ALTNAME_INVALID"), /Dial a name that the certificate is for, or/);
    const noisy = { code: "ERR_SSL_WRONG_VERSION_NUMBER", reason: "wrong version number" };
    const cause = Object.assign(new Error("80:error:0A:record.c:350:\n"), noisy);
    assert.match(
      describeOuterTlsFailure("h", cause),
      /^The .* failed: wrong version number\. Does that port speak TLS\?/,
    );
    for (const code of ["ECONNRESET", "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"]) {
      assert.doesNotMatch(described(code), /caFile|insecure/);
    }
  });
});

suite("whoever answers a dial cannot end the process, whatever it answers and when it breaks off:", () => {
  test("an outer TLS server that breaks the connection in the packet that establishes it", async (t) => {
    const near = await newAgent(t);
    const { port, rootCaPem } = await createTlsBreaker(t);
    const dialling = dialFrom(t, near, {
      url: `wss://localhost:${port}/link`,
      pin: "0".repeat(64),
      outer: { rootCaPem },
    });
    await assert.rejects(dialling, { name: "LinkError" });
  });

  test("a WebSocket server that breaks the protocol in the packet of its answer", async (t) => {
    const near = await newAgent(t);
    const server = createHttpServer();
    const port = await listen(t, server);
    server.on("upgrade", (request, socket, head) => {
      socket.cork();
      acceptWebSocket(request, socket, head).catch(() => {});
      socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
      socket.uncork();
    });
    await refusedWith(dialFrom(t, near, { url: `ws://127.0.0.1:${port}/link`, pin: "0".repeat(64) }), "handshake");
  });

  test("a server that cuts at every point of the way", async (t) => {
    const [near, far] = [await newAgent(t), await newAgent(t)];
    const harbour = await openHarbour(t, far);
    let cutAfter = 0;
    const server = createServer((socket: Socket) => {
      const on = createConnection(harbour.port, socket);
      let passed = 0;
      on.on("data", (chunk: Buffer) => {
        socket.write(chunk.subarray(0, Math.max(0, cutAfter - passed)));
        passed += chunk.length;
        if (passed >= cutAfter) socket.destroy();
      });
    });
    const to = { url: `ws://127.0.0.1:${await listen(t, server)}/link`, pin: far.identity.fingerprint };
    for (cutAfter = 1; cutAfter < 1_500; cutAfter += 83) {
      await assert.rejects(dialFrom(t, near, to), { name: "LinkError" });
    }
    await until("nobody is left", () => harbour.acceptor.stats().strangers === 0);
  });
});

function createConnection(port: number, from: Socket): Socket {
  const on = connectTo(port, "127.0.0.1");
  on.on("error", () => from.destroy());
  on.on("close", () => from.destroy());
  from.on("error", () => on.destroy());
  from.on("close", () => on.destroy());
  from.pipe(on);
  return on;
}
