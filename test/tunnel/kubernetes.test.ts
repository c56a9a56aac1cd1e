import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { DialingAgent } from "../../src/base/dialing-agent.ts";
import { silentLog } from "../../src/base/log.ts";
import { createApiGateway } from "../../src/kube/api-gateway.ts";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import { effectivePolicy } from "../../src/policy/effective.ts";
import type { EffectivePolicy } from "../../src/policy/effective-policy.ts";
import { createKubernetesExit, type KubernetesExit } from "../../src/tunnel/kubernetes.ts";
import { until } from "../patience.ts";
import { startTwoAgents } from "./two-agents.ts";

interface World extends AsyncDisposable {
  readonly api: Server;
  readonly exit: KubernetesExit;
  readonly noted: PeeringAuditEntry[];
  /** Undefined when it is none. */
  policy: EffectivePolicy["kubernetes"] | undefined;
  /** The fingerprints that were asked about. */
  asked: string[];
  ask(method: string, path: string, headers?: Record<string, string | string[]>, body?: string): Promise<Answer>;
  start(method: string, path: string, headers?: Record<string, string | string[]>): ReturnType<typeof request>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingMessage["headers"];
}

/** A peer that asks an API server at the other end, which `answer` is. */
async function startWorld(answer: RequestListener, maxPerPeer = 4): Promise<World> {
  const api = createServer(answer);
  api.listen(0, "127.0.0.1");
  await once(api, "listening");
  const { port } = api.address() as AddressInfo;
  const gateway = createApiGateway({
    server: new URL(`http://127.0.0.1:${port}`),
    options: async () => ({ headers: { authorization: "Bearer agents-own" } }),
  });
  const noted: PeeringAuditEntry[] = [];
  const state: Pick<World, "policy" | "asked"> = { policy: { groups: [], allow: [] }, asked: [] };
  const exit = createKubernetesExit({
    gateway,
    policyOf(fingerprint) {
      state.asked.push(fingerprint);
      return state.policy && { ...effectivePolicy([], { name: "here", labels: {} }), kubernetes: state.policy };
    },
    record: { note: (_by, entry) => void noted.push(entry) },
    clock: systemClock,
    log: silentLog,
    maxPerPeer,
  });
  const agents = await startTwoAgents({ kubernetes: exit });
  const agent = new DialingAgent(() => agents.origin.dial({ peer: "there", target: { kind: "kubernetes" } }));
  const start: World["start"] = (method, path, headers = {}) => {
    const out = request({ agent, method, path, headers });
    out.on("error", () => undefined);
    return out;
  };
  return Object.assign(state, {
    api,
    exit,
    noted,
    start,
    async ask(method: string, path: string, headers: Record<string, string | string[]> = {}, body?: string) {
      const out = start(method, path, headers);
      out.end(body === undefined ? undefined : Buffer.from(body));
      const [res]: [IncomingMessage] = (await once(out, "response")) as [IncomingMessage];
      const text = Buffer.concat(await res.toArray()).toString();
      return { status: res.statusCode ?? 0, text, headers: res.headers };
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await agents[Symbol.asyncDispose]();
      gateway.close();
      api.closeAllConnections();
      api.close();
    },
  });
}

/** Answers an access review by `allowed`, and everything else with the request's headers. */
function echo(allowed: boolean, asked: { body: string; headers: string[] }[] = []): RequestListener {
  return async (req, res) => {
    const body = Buffer.concat(await req.toArray()).toString();
    asked.push({ body, headers: req.rawHeaders });
    if (req.url?.includes("selfsubjectaccessreviews")) {
      res.writeHead(201).end(JSON.stringify({ status: { allowed } }));
      return;
    }
    res.setHeader("set-cookie", "a=1").end(JSON.stringify({ raw: req.rawHeaders, url: req.url, body }));
  };
}

describe("the Kubernetes API for a peer", () => {
  test("is asked in the peer's name, whatever the request says of who asks; the agent's credentials come last", async () => {
    await using world = await startWorld(echo(true));
    world.policy = { groups: ["viewers"], allow: [] };
    const answer = await world.ask(
      "POST",
      "/api/v1/namespaces/shop/pods?fieldManager=x",
      {
        "Impersonate-User": "admin",
        "impersonate-group": ["system:masters"],
        Impersonate_User: "admin",
        "IMPERSONATE-UID": "1",
        "Impersonate-Extra-scopes": "all",
        Authorization: "Bearer stolen",
        "Proxy-Authorization": "Basic x",
        Cookie: "a=1",
        "X-Remote-User": "admin",
        X_Remote_Group: "system:masters",
        "X-Forwarded-Client-Cert": "x",
        "X-SSL-Client-Cert": "x",
        "Client-Cert": "x",
        Forwarded: "for=x",
        Connection: "keep-alive, x-secret",
        "X-Secret": "1",
        "Fairlead-Person": Buffer.from("Zoë").toString("latin1"),
        "Content-Type": "application/json",
        "User-Agent": "kubectl",
      },
      "{}",
    );
    const { raw, url, body }: { raw: string[]; url: string; body: string } = JSON.parse(answer.text);
    assert.deepEqual(
      [url, body, answer.headers["set-cookie"]],
      ["/api/v1/namespaces/shop/pods?fieldManager=x", "{}", undefined],
    );
    const names = raw.filter((_text, i) => i % 2 === 0);
    const host = raw[1] ?? "";
    assert.deepEqual(
      names.filter((name) => /imperson|auth|cookie|remote|forward|cert|secret|person/i.test(name)),
      [
        "Impersonate-User",
        "Impersonate-Group",
        "Impersonate-Group",
        "Impersonate-Extra-fairlead.dev%2Fasserted-person",
        "authorization",
      ],
    );
    assert.match(host, /^127\.0\.0\.1:/);
    const value = (name: string): string[] => raw.filter((_text, i) => raw[i - 1] === name);
    assert.deepEqual(value("Impersonate-User"), ["fairlead:peer:here"]);
    assert.deepEqual(value("Impersonate-Group"), ["fairlead:peers", "viewers"]);
    assert.equal(
      Buffer.from(value("Impersonate-Extra-fairlead.dev%2Fasserted-person")[0] ?? "", "latin1").toString(),
      "Zoë",
    );
    assert.deepEqual(value("authorization"), ["Bearer agents-own"]);
    assert.deepEqual(
      world.noted.map(({ action, target, verdict, message }) => [action, target, verdict, message]),
      [
        [
          "kube.request",
          "kubernetes/api/v1/namespaces/shop/pods",
          "allowed",
          "create pods in shop (for Zoë, as the peer says)",
        ],
      ],
    );
  });

  test("refuses what a policy does not list, and paths that are not what they seem, as an API server says it", async () => {
    await using world = await startWorld(echo(true));
    world.policy = {
      groups: [],
      allow: [{ verbs: ["get", "list"], apiGroups: [""], resources: ["pods"], namespaces: ["shop"] }],
    };
    for (const [line, status] of [
      ["GET /api/v1/namespaces/shop/pods", 200],
      ["GET /api/v1/namespaces/shop/pods/web", 200],
      ["GET /version", 200],
      ["GET /apis/apps/v1", 200],
      ["POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 201],
      ["GET /api/v1/namespaces/other/pods", 403],
      ["GET /api/v1/pods", 403],
      ["GET /api/v1/namespaces/shop/pods?watch=1", 403],
      ["GET /api/v1/namespaces/shop/pods/web/log", 403],
      ["DELETE /api/v1/namespaces/shop/pods/web", 403],
      ["GET /apis/apps/v1/namespaces/shop/deployments", 403],
      ["GET /metrics", 403],
      ["GET /api/v1/namespaces/shop/pods%2Fweb%2Flog", 400],
    ] as const) {
      const [method = "", path = ""] = line.split(" ");
      const answer = await world.ask(method, path);
      assert.equal(answer.status, status, line);
      if (status < 400) continue;
      const said = JSON.parse(answer.text);
      assert.deepEqual([said.kind, said.status, said.code], ["Status", "Failure", status], line);
      assert.match(said.message, /\(rule: kubernetes\/(allow|path)\)/);
    }
  });

  test("asks for create before it lets into a pod, in the peer's name, over GET and POST", async () => {
    for (const allowed of [true, false]) {
      const asked: { body: string; headers: string[] }[] = [];
      await using world = await startWorld(echo(allowed, asked));
      for (const [method, path, upgrade, judged] of [
        ["GET", "/api/v1/namespaces/shop/pods/web/exec?command=sh", "websocket", true],
        ["POST", "/api/v1/namespaces/shop/pods/web/attach", "SPDY/3.1", true],
        ["POST", "/api/v1/namespaces/shop/pods/web/portforward", undefined, true],
        ["GET", "/api/v1/nodes/n1/proxy/exec/shop/web/c", "SPDY/3.1", true],
        ["GET", "/api/v1/namespaces/shop/services/web/proxy/ws", "websocket", true],
        ["GET", "/api/v1/proxy/namespaces/shop/services/web/ws", "websocket", true],
        ["GET", "/api/v1/namespaces/shop/services/web/proxy/", undefined, false],
        ["POST", "/apis/other.example/v1/namespaces/shop/pods/web/exec", undefined, false],
        ["GET", "/api/v1/namespaces/shop/pods?watch=1", "websocket", false],
      ] as const) {
        asked.length = 0;
        await until("the one before is over", () => world.exit.size === 0);
        const headers = upgrade === undefined ? {} : { Connection: "Upgrade", Upgrade: upgrade };
        const answer = await world.ask(method, path, headers);
        assert.equal(answer.status, judged && !allowed ? 403 : 200, path);
        assert.equal(asked.length, judged ? (allowed ? 2 : 1) : 1, path);
        if (!judged) continue;
        const { spec } = JSON.parse(asked[0]?.body ?? "");
        assert.equal(spec.resourceAttributes.verb, "create");
        assert.ok(asked[0]?.headers.includes("fairlead:peer:here"));
        if (!allowed)
          assert.match(JSON.parse(answer.text).message, /cannot create resource .*rule: kubernetes\/create/);
      }
    }
  });

  test("carries an upgrade both ways, bytes that came early too", async () => {
    await using world = await startWorld(echo(true));
    world.api.on("upgrade", (req, socket, head) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${req.headers.upgrade}\r\nX-Stream-Protocol-Version: v4\r\n\r\nhello `,
      );
      socket.write(head);
      socket.pipe(socket);
    });
    const out = world.start("POST", "/api/v1/namespaces/shop/pods/web/exec", {
      Connection: "Upgrade",
      Upgrade: "SPDY/3.1",
    });
    out.end();
    const [answer, socket, early] = await once(out, "upgrade");
    assert.deepEqual(
      [answer.statusCode, answer.headers.upgrade, answer.headers["x-stream-protocol-version"]],
      [101, "SPDY/3.1", "v4"],
    );
    socket.write("there");
    let text = String(early);
    socket.on("data", (part: Buffer) => {
      text += part;
    });
    await until("all came back", () => text === "hello there");
    assert.equal(world.exit.size, 1);
    socket.end();
    await until("it ended", () => world.exit.size === 0);
  });

  test("streams both ways, hears who goes, and does not make a broken answer whole", async () => {
    let gone = false;
    await using world = await startWorld((req, res) => {
      res.write("first");
      res.once("close", () => {
        gone = true;
      });
      if (req.url?.includes("broken")) setImmediate(() => req.socket.destroy());
    });
    const broken = world.start("GET", "/api/v1/namespaces/shop/pods/broken/log");
    broken.end();
    const [cut] = await once(broken, "response");
    await assert.rejects(cut.toArray());
    gone = false;
    const watch = world.start("GET", "/api/v1/pods?watch=1");
    watch.end();
    const [res] = await once(watch, "response");
    const [first] = await once(res, "data");
    assert.equal(String(first), "first");
    res.on("error", () => undefined);
    watch.destroy();
    await until("the API server hears of it", () => gone && world.exit.size === 0);
  });

  test("breaks a watch off when the policy no longer lists it, and bounds what one peer has under way", async () => {
    await using world = await startWorld((_req, res) => void res.write("first"), 2);
    const open = async () => {
      const out = world.start("GET", "/api/v1/pods?watch=1");
      out.end();
      const [res] = await once(out, "response");
      res.resume();
      res.on("error", () => undefined);
      return res;
    };
    const watches = [await open(), await open()];
    const third = await open();
    assert.deepEqual([third.statusCode, third.headers["retry-after"]], [429, "1"]);
    const ended = Promise.all(watches.map((res) => new Promise((resolve) => res.once("close", resolve))));
    world.policy = { groups: [], allow: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"], namespaces: [] }] };
    world.exit.review();
    await ended;
    assert.ok(watches.every((res) => !res.complete));
    assert.equal(world.exit.size, 0);
  });

  test("reviews what one peer has under way, and breaks it off when it is a peer no more", async () => {
    let more = (): void => assert.fail("nothing is under way");
    await using world = await startWorld((_req, res) => {
      res.write("first");
      more = () => void res.write("second");
    });
    const out = world.start("GET", "/api/v1/pods?watch=1");
    out.end();
    const [res] = await once(out, "response");
    const ended = new Promise((resolve) => res.once("close", resolve));
    let text = "";
    res
      .on("error", () => undefined)
      .on("data", (part: Buffer) => {
        text += part;
      });
    const [fingerprint = ""] = world.asked;
    world.policy = undefined;
    world.exit.review("somebody else");
    more();
    await until("it goes on", () => text === "firstsecond");
    world.exit.review(fingerprint);
    await ended;
    assert.equal(res.complete, false);
  });

  test("says what to do where the agent may not speak for the peer, or is not signed in itself", async () => {
    await using world = await startWorld((req, res) => {
      const message =
        'users "fairlead:peer:here" is forbidden: User "system:serviceaccount:fairlead-system:fairlead" cannot impersonate resource "users" in API group "" at the cluster scope';
      if (req.url === "/version") res.writeHead(401).end("Unauthorized");
      else if (req.url === "/apis")
        res.writeHead(403).end(JSON.stringify({ kind: "Status", message: "pods is forbidden" }));
      else res.writeHead(403, { "content-type": "application/json" }).end(JSON.stringify({ kind: "Status", message }));
    });
    const off = await world.ask("GET", "/api/v1/pods");
    assert.deepEqual([off.status, JSON.parse(off.text).reason], [403, "Forbidden"]);
    assert.match(JSON.parse(off.text).message, /fairlead peer allow-kubectl here \(rule: kubernetes\/not-allowed\)/);
    const exec = await world.ask("GET", "/api/v1/namespaces/shop/pods/web/exec", {
      Connection: "Upgrade",
      Upgrade: "websocket",
    });
    assert.match(exec.text, /kubernetes\/not-allowed/);
    assert.equal((await world.ask("GET", "/version")).status, 503);
    assert.equal(JSON.parse((await world.ask("GET", "/apis")).text).message, "pods is forbidden");
  });
});
