/** Two agents without a cluster, as processes: what they are for, and what is left of them when they are killed. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, request } from "node:http";
import { request as requestTls } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { startDatagramEcho } from "./datagram-echo.ts";
import { createMachine, type Machine, startEcho } from "./machine.ts";

suite("agents without a cluster", () => {
  let vm: Machine;
  let edge: Machine;
  let database: Awaited<ReturnType<typeof startEcho>>;
  let offered: { name: string; port: number; peers: string[] };

  before(async () => {
    database = await startEcho("database");
    offered = { name: "db", port: database.port, peers: ["edge"] };
    vm = await createMachine("vm", [offered]);
    edge = await createMachine("edge", []);
    await Promise.all([vm.start(), edge.start()]);
    const invite = await vm.cli("invite", "--name", "edge", "--grant", "tunnels");
    assert.match(await edge.cli("join", invite.trim()), /Paired with vm/);
  });
  after(async () => {
    await Promise.all([vm?.[Symbol.asyncDispose](), edge?.[Symbol.asyncDispose]()]);
    database?.close();
  });

  /** What comes back for a line through `fairlead forward` to the target. */
  async function ask(target: string, line: string): Promise<string> {
    const forward = edge.startCli("forward", "vm", target, ":0");
    await forward.until((out) => out.includes(" is "));
    const port = Number(/^127\.0\.0\.1:(\d+) /.exec(forward.out())?.[1]);
    try {
      const socket = connect(port, "127.0.0.1");
      socket.end(line);
      return await text(socket);
    } finally {
      forward.interrupt();
      await forward.ended;
    }
  }

  test("a target of one is a port at the other, and only for whom it names", async () => {
    assert.equal(await ask(`address/db:${database.port}`, "rows"), "database\nrows");
    const other = edge.startCli("forward", "vm", "address/other:1", ":0");
    await other.until((out) => out.includes(" is "));
    const port = Number(/^127\.0\.0\.1:(\d+) /.exec(other.out())?.[1]);
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    assert.equal(await text(socket).catch(() => ""), "");
    other.interrupt();
    assert.match((await other.ended).err, /no policy here lets peer edge reach address\/other:1/);
    assert.match(await vm.cli("audit", "list"), /tunnel\.open +allowed +edge .*address\/db/);
  });

  test("datagrams go to one of UDP and come back, through a port of UDP at the other", async () => {
    const dns = await startDatagramEcho();
    try {
      await vm.offer([offered, { name: "dns", port: dns.port, protocol: "UDP", peers: ["edge"] }]);
      const forward = edge.startCli("forward", "vm", `address/dns:${dns.port}/udp`, ":0");
      await forward.until((out) => out.includes(" is "));
      const port = Number(/^127\.0\.0\.1:(\d+)\/udp /.exec(forward.out())?.[1]);
      assert.equal(await dns.ask(port, "who"), "who there");
      forward.interrupt();
      await forward.ended;
      assert.match(await vm.cli("audit", "list"), /tunnel\.open +allowed +edge .*address\/dns:\d+\/udp/);
    } finally {
      dns.close();
    }
  });

  test("a web page of one opens in a browser at the other, and its agent knows where by the target's protocol", async () => {
    const page = createServer((req, res) => res.end(`${req.headers.host} ${req.url}`)).listen(0, "127.0.0.1");
    await once(page, "listening");
    const at = page.address();
    const port = typeof at === "object" ? at?.port : 0;
    await vm.offer([offered, { name: "erp", port, protocol: "HTTP", peers: ["edge"] }]);
    try {
      const listed = await edge.cli("target", "list", "vm", "-o", "wide");
      assert.match(listed, new RegExp(`address/erp:${port} .*TCP/http .*/peers/vm/addresses/erp/${port}/`));
      const url = new URL((await edge.cli("target", "open", "vm", "address/erp", "--path", "/orders")).trim());
      const entered = await browse(url);
      assert.equal(entered.headers.location, "/orders");
      const [cookie = ""] = entered.headers["set-cookie"]?.[0]?.split(";") ?? [];
      const shown = await browse(new URL("/orders", url), cookie);
      assert.equal(await text(shown), `${url.host} /orders`);
      await vm.offer([offered]);
      assert.equal((await browse(new URL("/orders", url), cookie)).statusCode, 403);
      assert.match(
        (await edge.tryCli("target", "open", "vm", "address/erp")).err,
        /lets this agent reach nothing that is/,
      );
    } finally {
      page.close();
    }
  });

  test("what is offered changes with the configuration, on SIGHUP, and a mistake in it changes nothing", async () => {
    const policies = async (): Promise<string> => vm.cli("policy", "list", "-o", "name");
    assert.match(await vm.offer([{ ...offered, peers: ["somebody-else"] }]), /"configuration read again"/);
    const before = await policies();
    assert.match(before, /somebody-else/);
    assert.doesNotMatch(before, /edge/);
    const refused = await vm.offer([{ ...offered, port: 0 }]);
    assert.match(refused, /"configuration not read; the old one stays in force"/);
    assert.match(refused, /standalone\.targets: db: ports must be/);
    assert.equal(await policies(), before);
    await vm.offer([offered]);
    assert.match(await policies(), /targets-of-peer-edge/);
    await comesToBe(async () => (await ask(`address/db:${database.port}`, "again")) === "database\nagain");
  });

  test("it runs no apps and makes none, and says so", async () => {
    const check = await edge.tryCli("app", "check", "web", "--peer", "vm", "--image", "nginx");
    assert.notEqual(check.code, 0);
    assert.match(check.out + check.err, /stands alone, in no cluster, and runs no apps/);
    const deploy = await edge.tryCli("app", "deploy", "web", "--peer", "vm", "--image", "nginx");
    assert.match(deploy.err, /stands alone, in no cluster, and has no remoteapps/);
    // What a peer says of itself is asked for when the link stands, and again and again.
    await comesToBe(async () => /place: standalone/.test(await edge.cli("peer", "get", "vm", "-o", "yaml")));
    const doctor = await edge.cli("doctor");
    assert.doesNotMatch(doctor, /image|node|cluster/i);
    const status = await edge.cli("status");
    assert.match(status, /^edge +fairlead \S+ +no cluster +up for/);
    assert.match(status, /^1 of 1 peers connected$/m);
    assert.match(await edge.cli("version"), /^agent .*\(edge, no cluster\)$/m);
    assert.match(await edge.cli("config", "show", "--running"), /standalone\.enabled +true/);
  });

  test("killed at any moment it is who it was, with the peers it had and all that it had said yes to", async (t) => {
    let acknowledged = 0;
    /** One change after another without a pause, until one fails: at any moment one is under way. */
    const writing = async (): Promise<void> => {
      while ((await vm.tryCli("peer", "label", "edge", `count=${acknowledged + 1}`)).code === 0) acknowledged += 1;
    };
    const bytes = async (): Promise<number> => (await stat(join(vm.directory, "journal"))).size;
    const seen = { kept: 0, lost: 0 };
    for (let round = 0; round < 4; round += 1) {
      const first = acknowledged;
      const written = writing();
      await comesToBe(async () => acknowledged > first + round);
      const before = await bytes();
      // The journal grows before anybody hears of it; every other time it is killed there, else wherever it is.
      if (round % 2 === 0) await comesToBe(async () => (await bytes()) !== before);
      await vm.kill();
      await written;
      await vm.start();
      const labels = await vm.cli("peer", "get", "edge", "-o", "yaml");
      const count = Number(/count: "?(\d+)/.exec(labels)?.[1]);
      assert.ok(count === acknowledged || count === acknowledged + 1, `${count} where ${acknowledged} was said yes to`);
      seen[count === acknowledged ? "lost" : "kept"] += 1;
      acknowledged = count;
    }
    t.diagnostic(`of 4 changes that nobody was told of, ${seen.kept} were kept`);
    await comesToBe(async () => /edge +Connected/.test(await vm.cli("peer", "list")));
    assert.equal(await ask(`address/db:${database.port}`, "still here"), "database\nstill here");
    assert.match(await vm.cli("audit", "verify"), /^intact: /);
  });
});

/** As a browser asks, which finds names below localhost on its own machine, and trusts who its user told it to. */
async function browse(url: URL, cookie = ""): Promise<IncomingMessage> {
  const { protocol, host, port, pathname, search } = url;
  const to = { host: "127.0.0.1", port, path: pathname + search, headers: { host, cookie } };
  const asked = protocol === "https:" ? requestTls({ ...to, rejectUnauthorized: false }) : request(to);
  const [answer] = (await once(asked.end(), "response")) as [IncomingMessage];
  return answer;
}

async function comesToBe(condition: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(60_000);
  while (!(await condition())) {
    deadline.throwIfAborted();
    await setImmediate();
  }
}
