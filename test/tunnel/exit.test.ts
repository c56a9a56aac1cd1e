import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Network, TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { TunnelError, type TunnelFailure } from "../../src/tunnel/tunnel-error.ts";
import { Reason, StreamError } from "../../src/wire/reason.ts";
import { until } from "../patience.ts";
import { startTwoAgents, uidOf } from "./two-agents.ts";

const peer = "there";

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address && typeof address === "object");
  return address.port;
}

function failsWith(failure: TunnelFailure, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof TunnelError, String(error));
    assert.equal(error.failure, failure);
    assert.match(error.message, message);
    return true;
  };
}

describe("a dial of an app's port", () => {
  test("carries bytes both ways and half-closes: an end is answered after it", async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const hash = createHash("sha256");
      socket.on("data", (chunk) => hash.update(chunk));
      socket.on("end", () => socket.end(hash.digest("hex")));
    });
    const port = await listen(server);
    await using agents = await startTwoAgents();
    agents.offer("hash", port);

    const bytes = randomBytes(24 * 1024 * 1024);
    const stream = await agents.origin.dial({ peer, target: { kind: "app", namespace: "shop", name: "hash", port } });
    const answer = stream.toArray();
    await pipeline(Readable.from(pieces(bytes)), stream, { end: true }).catch(() => undefined);
    const text = Buffer.concat(await answer).toString();
    assert.equal(text, createHash("sha256").update(bytes).digest("hex"));
    server.close();
  });

  test("ends as a reset at the app when the origin breaks off, and as a reset at the origin when the app does", async () => {
    const errors: string[] = [];
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", (error: Error & { code?: string }) => errors.push(error.code ?? ""));
      socket.write("hello");
    });
    const port = await listen(server);
    await using agents = await startTwoAgents();
    agents.offer("web", port);
    const to = { peer, target: { kind: "app" as const, namespace: "shop", name: "web" } };

    const first = await agents.origin.dial(to);
    await once(first, "data");
    first.destroy();
    await until("the app sees the reset", () => errors.includes("ECONNRESET"));

    const second = await agents.origin.dial(to);
    await once(second, "data");
    const broken = once(second, "error");
    sockets.at(-1)?.resetAndDestroy();
    const [error] = await broken;
    assert.ok(error instanceof StreamError);
    assert.equal(error.reason, Reason.BROKEN);
    await until("nothing is left", () => agents.host.exit.size === 0);
    server.close();
  });

  test("slows the app down when the origin does not read", async () => {
    let sent = 0;
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      const chunk = Buffer.alloc(64 * 1024);
      const more = (): void => {
        while (!socket.destroyed && socket.write(chunk)) sent += chunk.length;
        sent += chunk.length;
      };
      socket.on("drain", more);
      more();
    });
    const port = await listen(server);
    await using agents = await startTwoAgents();
    agents.offer("fast", port);
    const stream = await agents.origin.dial({ peer, target: { kind: "app", namespace: "shop", name: "fast" } });
    let before = -1;
    await until("the app stands still", () => {
      const still = before === sent;
      before = sent;
      return still && sent > 0;
    });
    // The kernel's buffers on loopback hold some megabytes; without backpressure this grows without end.
    assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes were taken`);
    stream.destroy();
    server.close();
  });

  test("is refused with a reason: no such app, port not declared, not ready, no grant, nobody listens", async () => {
    await using agents = await startTwoAgents();
    agents.offer("web", 1);
    agents.offer("slow", 1, { ready: false, message: "ImagePullBackOff: no such image" });
    const dial = (name: string, more: { port?: number | string; uid?: string } = {}) =>
      agents.origin.dial({ peer, target: { kind: "app", namespace: "shop", name, ...more } });

    await assert.rejects(dial("nothing"), failsWith("not-found", /No app of yours called shop\/nothing/));
    await assert.rejects(dial("web", { uid: "uid-older" }), failsWith("not-found", /No app of yours/));
    await assert.rejects(dial("web", { port: 8080 }), failsWith("not-found", /does not declare port 8080.*http \(1\)/));
    await assert.rejects(dial("slow"), failsWith("not-ready", /ImagePullBackOff: no such image \(The app refused/));
    await assert.rejects(dial("web"), failsWith("broken", /refused the connection on port 1/));
    agents.permission = { allowed: false, rule: "grants/apps", message: "No grant." };
    await assert.rejects(dial("web"), failsWith("denied", /No grant\. \(rule: grants\/apps\)/));
    agents.permission = { allowed: true };
    agents.caller = { ...agents.caller, guest: true };
    await assert.rejects(dial("web"), failsWith("denied", /paired/));
  });

  test("never reaches another peer's app, whatever it is called", async () => {
    const server = createServer((socket) => socket.end("secret"));
    const port = await listen(server);
    await using agents = await startTwoAgents();
    const app = agents.offer("web", port);
    agents.hosted.clear();
    agents.hosted.set("0b".repeat(32), new Map([["shop/web", app]]));
    const target = { kind: "app" as const, namespace: "shop", name: "web", uid: uidOf("web") };
    await assert.rejects(agents.origin.dial({ peer, target }), failsWith("not-found", /No app of yours/));
    server.close();
  });

  test("of what is no app is refused: Services, the Kubernetes API, datagrams to what has no ports, paths for names", async () => {
    await using agents = await startTwoAgents();
    const kinds: MessageInitShape<typeof TargetSchema>[] = [
      { kind: { case: "service", value: { namespace: "default", name: "kubernetes" } } },
      { kind: { case: "kubernetes", value: {} } },
      { kind: { case: "kubernetes", value: {} }, network: Network.UDP },
      { kind: { case: "images", value: {} }, network: Network.UDP },
    ];
    for (const kind of kinds) {
      await assert.rejects(agents.originSession.dial(create(TargetSchema, kind)), { reason: Reason.UNSUPPORTED });
    }
    const names = ["../../etc", "", "WEB", "a".repeat(300), "10.0.0.1:22"];
    for (const name of names) {
      const target = create(TargetSchema, { kind: { case: "workload", value: { namespace: "shop", name } } });
      await assert.rejects(agents.originSession.dial(target), { reason: Reason.NOT_FOUND }, name);
    }
  });

  test("is given up after the time limit, and a connection that comes later is closed", async () => {
    const late = Promise.withResolvers<Socket>();
    const server = createServer(() => undefined);
    const port = await listen(server);
    await using agents = await startTwoAgents({
      connectTimeoutMs: 20,
      dialService: async () => {
        const { connect } = await import("node:net");
        const socket = connect(port, "127.0.0.1");
        await once(socket, "connect");
        await until("the exit has given up", () => refused);
        late.resolve(socket);
        return socket;
      },
    });
    let refused = false;
    agents.offer("web", port);
    await assert.rejects(
      agents.origin.dial({ peer, target: { kind: "app", namespace: "shop", name: "web" } }),
      failsWith("timeout", /Nobody answered on port/),
    );
    refused = true;
    const socket = await late.promise;
    await until("the late connection is closed", () => socket.destroyed);
    server.close();
  });

  test("ends when its app is gone, and no other's", async () => {
    const server = createServer((socket) => socket.on("error", () => undefined).write("hello"));
    const port = await listen(server);
    await using agents = await startTwoAgents();
    const web = agents.offer("web", port);
    agents.offer("other", port);
    const [gone, stays] = await Promise.all(
      ["web", "other"].map(async (name) => {
        const stream = await agents.origin.dial({ peer, target: { kind: "app", namespace: "shop", name } });
        await once(stream, "data");
        return stream;
      }),
    );
    assert.ok(gone && stays);
    const { fingerprint } = agents.caller;
    const broken = once(gone, "error");
    agents.hosted.get(fingerprint)?.delete("shop/web");
    agents.host.exit.appsChanged("0b".repeat(32));
    agents.host.exit.appsChanged(fingerprint);
    const [error] = await broken;
    assert.equal(error.reason, Reason.NOT_FOUND);
    await until("only the other is left", () => agents.host.exit.size === 1);
    agents.hosted.get(fingerprint)?.set("shop/web", web);
    assert.equal(stays.destroyed, false);
    stays.destroy();
    server.close();
  });

  test("ends within a moment when the right to it is withdrawn, with the rule", async () => {
    const server = createServer((socket) => socket.on("error", () => undefined).write("hello"));
    const port = await listen(server);
    await using agents = await startTwoAgents();
    agents.offer("web", port);
    const stream = await agents.origin.dial({ peer, target: { kind: "app", namespace: "shop", name: "web" } });
    await once(stream, "data");
    agents.host.exit.review(() => agents.caller);
    assert.equal(agents.host.exit.size, 1, "what is still allowed stays");
    const broken = once(stream, "error");
    agents.permission = { allowed: false, rule: "grants/apps", message: "No grant." };
    agents.host.exit.review(() => agents.caller);
    const [error] = await broken;
    assert.equal(error.reason, Reason.REVOKED);
    assert.match(error.message, /grants\/apps/);
    server.close();
  });
});

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let i = 0; i < bytes.length; i += 50_000) yield bytes.subarray(i, i + 50_000);
}
