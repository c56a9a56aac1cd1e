/** What a peer has on this machine, by command line, over two agents. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, suite, test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { deployments, namespaces, services } from "../../src/kube/resources.ts";
import { acceptAll, applyPolicies, pair, run, start, startWorld, type World } from "./world.ts";

const rule = "tunnels: { services: [{ namespace: data, name: page, ports: [80] }] }";
const opened = acceptAll.replace("{ accept: true }", `{ accept: true }, ${rule}`);

suite("fairlead forward", () => {
  let world: World;
  before(async () => {
    world = await startWorld({ processes: true });
    await pair(world, "apps,tunnels");
    const { client } = world.berlin.kube;
    const signal = AbortSignal.timeout(60_000);
    const labels = { app: "page" };
    const image = "fairlead.dev/demo-web:1";
    const containers = [{ name: "web", image, ports: [{ name: "http", containerPort: 8080 }] }];
    await client.create(namespaces, { metadata: { name: "data" } }, signal);
    const spec = {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers } },
    };
    await client.create(deployments, { metadata: { name: "page", namespace: "data" }, spec }, signal);
    const ports = [{ name: "web", port: 80, targetPort: "http" }];
    for (const name of ["page", "other"]) {
      await client.create(
        services,
        { metadata: { name, namespace: "data" }, spec: { selector: labels, ports } },
        signal,
      );
    }
    await applyPolicies(world.berlin, opened);
  });
  after(() => world[Symbol.asyncDispose]());

  async function forward(...words: string[]) {
    const running = start(world.lisbon, ["forward", "berlin", ...words]);
    await running.until((out) => out.includes(" is "));
    const urls = [...running.out().matchAll(/^(127\.0\.0\.1:\d+) is (.*)$/gm)].map(([, at]) => `http://${at}`);
    return { running, urls };
  }

  async function status(url: string | undefined): Promise<number> {
    const answer = await fetch(url ?? "", { headers: { connection: "close" } });
    await answer.text();
    return answer.status;
  }

  test("a Service of the peer that the policy names is here, by its port's number or name, until Ctrl-C", async () => {
    const { running, urls } = await forward("service/data/page:80", ":0", "svc/data/page", ":web");
    await running.until((out) => out.split("\n").length > 2);
    assert.match(
      running.out(),
      /^127\.0\.0\.1:\d+ is service\/data\/page:80 at berlin\n.* is service\/data\/page:web at berlin\n$/,
    );
    const until = Date.now() + 30_000;
    // The pod takes its time.
    while ((await status(urls[0]).catch(() => 0)) !== 200 && Date.now() < until);
    const second = /(127\.0\.0\.1:\d+) is .*:web/.exec(running.out())?.[1];
    const all = await Promise.all(Array.from({ length: 40 }, (_, n) => status(n % 2 ? urls[0] : `http://${second}`)));
    assert.deepEqual([...new Set(all)], [200]);
    running.interrupt();
    assert.equal((await running.ended).code, exitCode.interrupted);
    await assert.rejects(status(urls[0]));
  });

  test("what no policy names is refused with the rule, and both ends have it written down", async () => {
    const { running, urls } = await forward("service/data/other:80", ":0");
    const socket = connect(Number(new URL(urls[0] ?? "").port), "127.0.0.1");
    const [error] = await once(socket, "error");
    assert.equal(error.code, "ECONNRESET");
    assert.match(
      running.err(),
      /a connection to service\/data\/other:80 at berlin was refused: no policy here lets peer lisbon reach the Service data\/other at port 80.*\(rule: tunnels\/services\)/,
    );
    running.interrupt();
    await running.ended;
    for (const town of [world.lisbon, world.berlin]) {
      const { out } = await run(town, ["audit", "list", "--action", "tunnel.open", "-o", "json"]);
      assert.match(out, /service\/data\/other:80/);
      assert.match(out, /tunnels\/services/);
    }
  });

  test("a policy that is taken back ends what it let through within a second, and says so", async () => {
    const { running, urls } = await forward("service/data/page:80", ":0");
    const socket = connect(Number(new URL(urls[0] ?? "").port), "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nhost: page\r\n\r\n");
    await once(socket, "data");
    const broken = once(socket, "error");
    const from = Date.now();
    await applyPolicies(world.berlin, acceptAll);
    const [error] = await broken;
    assert.equal(error.code, "ECONNRESET");
    assert.ok(Date.now() - from < 5_000);
    await applyPolicies(world.berlin, opened);
    running.interrupt();
    await running.ended;
  });

  test("a peer or a target that is none is said before anything listens", async () => {
    const unknown = await run(world.lisbon, ["forward", "nowhere", "service/data/page:80"]);
    assert.deepEqual([unknown.code, unknown.out], [exitCode.notFound, ""]);
    const odd = await run(world.lisbon, ["forward", "berlin", "data/page"]);
    assert.deepEqual([odd.code, /nothing that a peer can have/.test(odd.err)], [exitCode.usage, true]);
  });
});
