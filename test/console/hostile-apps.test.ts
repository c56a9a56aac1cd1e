/** Apps, and those who use them, that would end the agent's process. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { describe, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { makeAuthority, readAuthority } from "../../src/identity/authority.ts";
import { issueLeaf } from "../../src/identity/leaf.ts";
import { patience } from "../patience.ts";
import { bearer, startConsole } from "./console-world.ts";

describe("the agent lives on", () => {
  test("when an app breaks TLS in the very bytes that end the handshake", async () => {
    await using world = await startConsole();
    const leaf = issueLeaf(readAuthority(makeAuthority(Date.now())), Date.now(), 3_600_000);
    const honest = createTlsServer({ cert: leaf.certPem, key: leaf.keyPem.reveal() }, (socket) => {
      socket.on("error", () => undefined);
    }).listen(0, "127.0.0.1");
    honest.on("tlsClientError", () => undefined);
    await once(honest, "listening");
    // Behind the server's whole first flight comes a record that nobody can decrypt.
    const app = createTcpServer((client) => {
      const server = connect((honest.address() as AddressInfo).port, "127.0.0.1");
      client.on("error", () => server.destroy()).on("close", () => server.destroy());
      server.on("error", () => client.destroy()).on("close", () => client.destroy());
      client.pipe(server);
      const broken = Buffer.concat([Buffer.from([0x17, 3, 3, 0, 32]), Buffer.alloc(32, 7)]);
      server.once("data", (flight: Buffer) => {
        client.write(Buffer.concat([flight, broken]));
        server.pipe(client);
      });
    }).listen(0, "127.0.0.1");
    await once(app, "listening");
    const ports = [{ name: "web", number: (app.address() as AddressInfo).port, appProtocol: "https" }];
    world.agents.offer("tls", ports[0]?.number ?? 0, { ports });
    world.show({ namespace: "shop", name: "tls", uid: "uid-tls", peer: "there", ports });

    for (let i = 0; i < 3; i += 1) {
      const answer = await world.ask("/apps/shop/tls/web/", { headers: bearer });
      assert.equal(answer.status, 502);
    }
    app.close();
    honest.close();
  });

  test("when a request for an app in HTTP/2 ends in trailers that HTTP/2 forbids", async () => {
    await using world = await startConsole();
    const app = createHttp2Server();
    app.on("stream", (stream) => {
      stream.on("error", () => undefined);
      let trailers = "";
      stream.on("trailers", (got) => {
        trailers = JSON.stringify(got);
      });
      stream.resume().on("end", () => {
        stream.respond({ ":status": 200 });
        stream.end(`seen ${trailers}`);
      });
    });
    app.listen(0, "127.0.0.1");
    await once(app, "listening");
    const ports = [{ name: "grpc", number: (app.address() as AddressInfo).port, appProtocol: "h2c" }];
    world.agents.offer("h2", ports[0]?.number ?? 0, { ports });
    world.show({ namespace: "shop", name: "h2", uid: "uid-h2", peer: "there", ports });

    const forbidden =
      "Connection: close\r\nTE: x\r\nUpgrade: x\r\nKeep-Alive: 1\r\nHost: evil\r\nX-Sum: 1\r\nX-Sum: 2\r\n";
    const client = connect(world.port, "127.0.0.1");
    client.write(
      `POST /apps/shop/h2/grpc/ HTTP/1.1\r\nHost: localhost:${world.port}\r\nConnection: close\r\n` +
        `Authorization: ${bearer.authorization}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n${forbidden}\r\n`,
    );
    const answer = Buffer.concat(await client.toArray()).toString();
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.match(answer, /seen \{"x-sum":"1, 2"\}/);
    app.close();
  });
});

test("no app has a client, or a proxy before the door, believe that protocols were switched which were not", async () => {
  await using world = await startConsole();
  let more = "";
  await using app = createTcpServer((client) => {
    client.on("error", () => undefined);
    client.once("data", () => client.write(`HTTP/1.1 101 Switching Protocols\r\n${more}\r\n`));
  }).listen(0, "127.0.0.1");
  await once(app, "listening");
  const ports = [{ name: "http", number: (app.address() as AddressInfo).port, appProtocol: "http" }];
  world.agents.offer("web", ports[0]?.number ?? 0, { ports });
  world.show({ namespace: "shop", name: "web", uid: "uid-web", peer: "there", ports });

  for (const asked of [
    "",
    "Connection: Upgrade\r\nUpgrade: h2c\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\n",
  ]) {
    for (more of ["", "Upgrade: h2c\r\n", "Connection: Upgrade\r\n"]) {
      const client = connect(world.port, "127.0.0.1");
      client.write(
        `GET /apps/shop/web/http/ HTTP/1.1\r\nHost: localhost:${world.port}\r\n` +
          `Authorization: ${bearer.authorization}\r\n${asked}\r\n`,
      );
      const [answer] = await once(client, "data", { signal: patience() });
      assert.match(String(answer), /^HTTP\/1\.1 502 /, `"${more}" to "${asked}"`);
      client.destroy();
    }
  }
});
