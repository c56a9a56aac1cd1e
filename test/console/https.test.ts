import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { WebSocket, WebSocketServer } from "ws";
import type { DoorRules } from "../../src/console/doors/app-view.ts";
import { makeAuthority, readAuthority } from "../../src/identity/authority.ts";
import { issueLeaf, issueServerLeaf } from "../../src/identity/leaf.ts";
import { bearer, startConsole } from "./console-world.ts";

describe("an app that speaks HTTPS", () => {
  test("is spoken to in TLS from the origin on, with one connection for several requests, upgrades too", async () => {
    await using world = await startConsole();
    const leaf = issueLeaf(readAuthority(makeAuthority(Date.now())), Date.now(), 3_600_000);
    let connections = 0;
    const app = createServer({ cert: leaf.certPem, key: leaf.keyPem.reveal() }, async (req, res) => {
      const body = Buffer.concat(await req.toArray());
      res.end(`${(req.socket as TLSSocket).getProtocol()} ${req.headers["x-forwarded-proto"]} ${body.length}`);
    });
    app.on("secureConnection", () => {
      connections += 1;
    });
    new WebSocketServer({ server: app }).on("connection", (socket) => socket.send("hello"));
    app.listen(0, "127.0.0.1");
    await once(app, "listening");
    const ports = [{ name: "web", number: (app.address() as AddressInfo).port, appProtocol: "https" }];
    world.agents.offer("tls", ports[0]?.number ?? 0, { ports });
    world.show({ namespace: "shop", name: "tls", uid: "uid-tls", peer: "there", ports });

    const body = Buffer.alloc(3_000_000, 1);
    for (let i = 0; i < 3; i += 1) {
      const answer = await world.ask("/apps/shop/tls/web/", { method: "POST", headers: bearer, body });
      assert.equal(answer.text, "TLSv1.3 http 3000000");
    }
    assert.equal(connections, 1);
    const socket = new WebSocket(`ws://127.0.0.1:${world.port}/apps/shop/tls/web/`, { headers: bearer });
    const [message] = await once(socket, "message");
    assert.equal(String(message), "hello");
    socket.terminate();
    app.closeAllConnections();
    app.close();
  });

  test("must have the certificate that its door asks for: the CA, and the name", async (context) => {
    await using world = await startConsole();
    const authority = readAuthority(makeAuthority(Date.now()));
    const leaf = issueLeaf(authority, Date.now(), 3_600_000);
    const app = createServer({ cert: leaf.certPem, key: leaf.keyPem.reveal() }, (_req, res) => res.end("ok"));
    app.listen(0, "127.0.0.1");
    await once(app, "listening");
    context.after(() => {
      app.closeAllConnections();
      app.close();
    });
    const ports = [{ name: "web", number: (app.address() as AddressInfo).port, appProtocol: "https" }];
    world.agents.offer("tls", ports[0]?.number ?? 0, { ports });
    const ca = { kind: "ConfigMap", name: "ca" } as const;
    const ask = async (tls: NonNullable<DoorRules["tls"]>) => {
      const door = { access: "Users", tls } as const;
      world.show({ namespace: "shop", name: "tls", uid: "uid-tls", peer: "there", ports, door });
      const { status, text } = await world.ask("/apps/shop/tls/web/", { headers: bearer });
      return [status, status === 200 ? text : JSON.parse(text).error.code];
    };
    assert.deepEqual(await ask({ ca, insecure: false }), [503, "door-not-ready"], "not there");
    world.contents.set("ConfigMap shop/ca", { other: "x" });
    assert.deepEqual(await ask({ ca, insecure: false }), [503, "door-not-ready"], "without the key");
    world.contents.set("ConfigMap shop/ca", { "ca.crt": authority.certPem });
    assert.deepEqual(await ask({ ca, insecure: false }), [200, "ok"]);
    assert.deepEqual(await ask({ ca, serverName: "other.example", insecure: false }), [502, "broken"]);
    assert.deepEqual(await ask({ ca, serverName: "other.example", insecure: true }), [200, "ok"]);
    world.contents.set("ConfigMap shop/ca", { "ca.crt": readAuthority(makeAuthority(Date.now())).certPem });
    assert.deepEqual(await ask({ ca, insecure: false }), [502, "broken"], "another CA");
    assert.deepEqual(await ask({ serverName: "other.example", insecure: false }), [502, "broken"], "the system's CAs");
    assert.deepEqual(await ask({ insecure: false }), [502, "broken"], "neither CA nor name lets nothing through");
  });

  test("is asked for the name that its door gives, and let through with that in its certificate", async (context) => {
    await using world = await startConsole();
    const authority = readAuthority(makeAuthority(Date.now()));
    const leaf = issueServerLeaf(authority, [{ dns: "web.internal" }], Date.now(), 3_600_000);
    const app = createServer({ cert: leaf.certPem, key: leaf.keyPem.reveal() }, (req, res) => {
      res.end(String((req.socket as TLSSocket & { servername?: string }).servername));
    });
    app.listen(0, "127.0.0.1");
    await once(app, "listening");
    context.after(() => {
      app.closeAllConnections();
      app.close();
    });
    const ports = [{ name: "web", number: (app.address() as AddressInfo).port, appProtocol: "https" }];
    world.agents.offer("tls", ports[0]?.number ?? 0, { ports });
    world.contents.set("ConfigMap shop/ca", { "ca.crt": authority.certPem });
    const ask = async (serverName: string) => {
      const tls = { ca: { kind: "ConfigMap", name: "ca" }, serverName, insecure: false } as const;
      world.show({
        namespace: "shop",
        name: "tls",
        uid: "uid-tls",
        peer: "there",
        ports,
        door: { access: "Users", tls },
      });
      const { status, text } = await world.ask("/apps/shop/tls/web/", { headers: bearer });
      return [status, status === 200 ? text : JSON.parse(text).error.code];
    };
    assert.deepEqual(await ask("web.internal"), [200, "web.internal"]);
    assert.deepEqual(await ask("api.web.internal"), [502, "broken"]);
  });
});
