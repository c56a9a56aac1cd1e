/** What peers let this agent reach, by command line, over two agents. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { exitCode } from "../../src/cli/errors.ts";
import { deployments, namespaces, services } from "../../src/kube/resources.ts";
import { eventually } from "../patience.ts";
import { openOffices } from "./offices.ts";
import { acceptAll, applyPolicies, pair, type Ran, run, start, startWorld, type World } from "./world.ts";

function policy(tunnels: string): string {
  return acceptAll.replace("{ accept: true }", `{ accept: true }, tunnels: ${tunnels}`);
}

const opened = policy(
  "{ services: [{ namespace: data }], addresses: [{ name: erp, host: 192.0.2.7, ports: [1433], appProtocol: h2c }], metrics: true }",
);

suite("fairlead target list", () => {
  let world: World;
  before(async () => {
    world = await startWorld({ processes: true });
    await pair(world, "apps,tunnels");
    const { client } = world.berlin.kube;
    const signal = AbortSignal.timeout(60_000);
    const labels = { app: "page" };
    const containers = [
      { name: "web", image: "fairlead.dev/demo-web:1", ports: [{ name: "http", containerPort: 8080 }] },
    ];
    const template = { metadata: { labels }, spec: { containers } };
    for (const name of ["data", "private"]) await client.create(namespaces, { metadata: { name } }, signal);
    const metadata = { name: "page", namespace: "data" };
    await client.create(
      deployments,
      { metadata, spec: { replicas: 1, selector: { matchLabels: labels }, template } },
      signal,
    );
    const ports = [{ name: "web", port: 80, targetPort: "http", appProtocol: "http" }];
    await client.create(services, { metadata, spec: { selector: labels, ports } }, signal);
    const idle = { metadata: { ...metadata, name: "idle" }, spec: { selector: { app: "nobody" }, ports } };
    await client.create(services, idle, signal);
    await client.create(services, { metadata: { ...metadata, namespace: "private" }, spec: { ports } }, signal);
    await applyPolicies(world.berlin, opened);
  });
  after(() => world[Symbol.asyncDispose]());

  /** Asks until the answer is so: pods become ready, and policies count, when they do. A peer may be asked four times a second. */
  const listed = (words: string[], isSo: (ran: Ran) => boolean): Promise<Ran> =>
    eventually("the list", () => run(world.lisbon, ["target", "list", ...words]), isSo, { everyMs: 300 });

  test("shows what is there, and names by which `fairlead forward` reaches it", async () => {
    const table = await listed(["berlin"], ({ out }) => /page:80 .* Ready/.test(out));
    assert.equal(
      table.out.replaceAll(/ {2,}/g, " | "),
      [
        "TARGET | PORT-NAME | PROTOCOL | STATE",
        "address/erp:1433 | <none> | TCP/h2c | Ready",
        "metrics | <none> | TCP/http | Ready",
        "service/data/idle:80 | web | TCP/http | NotReady",
        "service/data/page:80 | web | TCP/http | Ready",
        "",
      ].join("\n"),
    );
    assert.ok(!`${table.out}${table.err}`.includes("private"));
    const names = await run(world.lisbon, ["target", "list", "berlin", "-o", "name"]);
    const [page = ""] = names.out.split("\n").filter((name) => name.includes("page"));
    const running = start(world.lisbon, ["forward", "berlin", page, ":0"]);
    await running.until((out) => out.includes(" is "));
    const [, at] = /^(127\.0\.0\.1:\d+) is service\/data\/page:80 at berlin$/m.exec(running.out()) ?? [];
    assert.equal((await fetch(`http://${at}`)).status, 200);
    running.interrupt();
    await running.ended;
    const wide = await run(world.lisbon, ["target", "list", "berlin", "-o", "wide"]);
    assert.match(wide.out, /idle:80 .* Nothing behind the Service is ready\.\n/);
    assert.match(wide.out, /http:\/\/127\.0\.0\.1:\d+\/peers\/berlin\/addresses\/h2c:erp\/1433\/ /);
    const json = JSON.parse((await run(world.lisbon, ["target", "list", "-o", "json"])).out);
    assert.deepEqual(
      json.items.map(({ peer, target }: { peer: string; target: string }) => `${peer} ${target}`),
      ["berlin address/erp:1433", "berlin metrics", "berlin service/data/idle:80", "berlin service/data/page:80"],
    );
    const audit = await run(world.berlin, ["audit", "list", "--action", "target.list"]);
    assert.match(audit.out, /lisbon/);
  });

  test("what speaks HTTP there opens in a browser, once, and in clear words what does not", async () => {
    await listed(["berlin"], ({ out }) => /page:80 .* Ready/.test(out));
    const open = (...words: string[]) => run(world.lisbon, ["target", "open", "berlin", ...words]);
    const url = new URL((await open("svc/data/page", "--path", "/there?x=1")).out.trim());
    assert.match(url.hostname, /^page-80-berlin-[0-9a-f]{16}\.localhost$/);
    const at = new URL(world.lisbon.consoleUrl);
    const ask = async (path: string, cookie = "") => {
      const asked = request({ host: at.hostname, port: at.port, path, headers: { host: url.host, cookie } }).end();
      const [answer] = (await once(asked, "response")) as [IncomingMessage];
      return { answer, body: await text(answer) };
    };
    const entered = await ask(url.pathname + url.search);
    assert.deepEqual([entered.answer.statusCode, entered.answer.headers.location], [303, "/there?x=1"]);
    const [cookie = ""] = entered.answer.headers["set-cookie"]?.[0]?.split(";") ?? [];
    assert.equal((await ask("/there", cookie)).answer.statusCode, 200);
    assert.equal((await ask(url.pathname + url.search)).answer.statusCode, 401);
    assert.match((await open("metrics")).err, /a Service or an address can be opened/);
    assert.match((await open("app/shop/web")).err, /fairlead app open/);
    assert.match((await open("service/data/none")).err, /lets this agent reach nothing that is service\/data\/none/);
    assert.match((await open("address/erp", "--path", "//evil.example")).err, /not one to land on/);
    assert.match((await run(world.lisbon, ["target", "open", "nowhere", "address/x"])).err, /nowhere/);
    const audit = await run(world.lisbon, ["audit", "list", "--action", "target.open"]);
    assert.match(audit.out, /svc\/data\/page|service\/data\/page/);
  });

  test("follows policy and grants at once, and says nothing of what was taken back", async () => {
    await applyPolicies(world.berlin, policy("{ approval: FirstUse, metrics: true }"));
    const held = await listed(["berlin"], ({ out }) => out.includes("NeedsApproval"));
    assert.match(held.out, /^metrics +<none> +TCP\/http +NeedsApproval$/m);
    assert.ok(!held.out.includes("service/"));
    await applyPolicies(world.berlin, opened);
    await listed(["berlin"], ({ out }) => out.includes("service/"));
    await run(world.berlin, ["peer", "grant", "lisbon", "apps"]);
    const none = await listed([], ({ out }) => out === "");
    assert.match(none.err, /No peer lets this agent reach anything/);
    await run(world.berlin, ["peer", "grant", "lisbon", "apps", "tunnels"]);
  });

  test("a peer that is none is not found", async () => {
    const { code, err } = await run(world.lisbon, ["target", "list", "nowhere"]);
    assert.equal(code, exitCode.notFound);
    assert.match(err, /nowhere/);
  });
});

test("a peer that cannot say is told of: as the failure when it was asked alone, beside the others when all were", async () => {
  const offices = openOffices();
  const message = "The agent of oslo is of an earlier version, which does not say what can be reached there";
  offices.tunnels = {
    listTargets({ peer }) {
      if (peer === "oslo") throw new ConnectError(message, Code.Unimplemented);
      return {
        targets: [{ peer: "rome", target: "kubernetes", protocol: "TCP", until: "2020-01-01T00:00:00Z" }],
        problems: [{ peer: "oslo", message: `${message}\u001b[2J` }],
      };
    },
  };
  const alone = await offices.run(["target", "list", "oslo"]);
  assert.deepEqual([alone.code, alone.out], [exitCode.failed, ""]);
  assert.match(alone.err, /earlier version/);
  const all = await offices.run(["target", "ls", "-o", "wide"]);
  assert.equal(all.code, exitCode.ok);
  assert.match(all.out, /^rome +kubernetes .* ended \S+ ago/m);
  assert.equal(all.err, `warning: oslo: ${message}\n`);
});
