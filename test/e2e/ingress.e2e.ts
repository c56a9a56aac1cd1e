/**
 * The link behind what real networks have: Debian's nginx and haproxy in front of the peer port, squid on the way out. The
 * recipes are those of docs/ingress.md, word for word. The agents stand on embedded clusters; no other one is needed.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type SquidOptions, startSquid } from "./connect-proxy.ts";
import { requirePrograms } from "./debian.ts";
import { freePort } from "./free-port.ts";
import { type HaproxyOptions, startHaproxy } from "./haproxy.ts";
import { type NginxOptions, startNginx } from "./nginx.ts";
import { buildHub, type Hub, provesItself, type Spoke } from "./spokes.ts";
import { startTransfers } from "./under-way.ts";

/** How long idle links are watched at least, in milliseconds. */
const watchMs = 60_000;

let hub: Hub;
let idle: IdleLinks;
let made = 0;

before(async () => {
  await requirePrograms(["nginx", "haproxy", "squid"]);
  hub = await buildHub();
  // They are watched while everything else is tested.
  idle = await startIdleLinks();
});
after(async () => {
  for (const thing of [...(idle?.things ?? [])].reverse()) await thing[Symbol.asyncDispose]();
  await hub?.[Symbol.asyncDispose]();
});

const place = () => ({ certificate: hub.certificate, directory: join(hub.directory, `front-${++made}`) });
const behindNginx = (o: Partial<NginxOptions> = {}) =>
  startNginx({ target: hub.town.agent.ports.link, ...place(), ...o });
const behindHaproxy = (o: Partial<HaproxyOptions> = {}) =>
  startHaproxy({ target: hub.town.agent.ports.link, telemetry: hub.town.agent.ports.telemetry, ...place(), ...o });
const behindSquid = (o: Partial<SquidOptions> = {}) =>
  startSquid({ ports: [hub.town.agent.ports.link], knows: "peer.example", ...place(), ...o });
const trusting = () => hub.spoke({ "link.caFile": hub.certificate.rootFile });
const urlOf = (front: { port: number }, path = "/link") => `wss://localhost:${front.port}${path}`;

/** Who joins through this URL, with an app that runs at the host. */
async function settle(spoke: Spoke, url: string): Promise<void> {
  await spoke.join(url);
  await spoke.deploy();
}

/** What happens in the middle of transfers is not noticed by them, nor by the link. */
async function endsNothing(spoke: Spoke, happens: () => Promise<void>): Promise<void> {
  await goesOn(spoke, happens);
  assert.deepEqual(spoke.losses(), []);
}

/** What cuts the connection in the middle of transfers is not noticed by them; the link goes on at the next by itself. */
async function isSurvived(spoke: Spoke, happens: () => Promise<void>): Promise<void> {
  const before = spoke.links();
  await goesOn(spoke, async () => {
    await happens();
    await spoke.linkAfter(before);
  });
}

async function goesOn(spoke: Spoke, happens: () => Promise<void>): Promise<void> {
  const transfers = await startTransfers(spoke);
  await happens();
  assert.deepEqual(await transfers.end(), { download: "whole", upload: "whole", events: "whole" });
  await provesItself(spoke);
}

interface IdleLinks {
  readonly since: number;
  /** By what they go through: with an idle time-out of 20 s there, and of 8 s. */
  readonly held: Readonly<Record<string, Spoke>>;
  readonly cut: Readonly<Record<string, Spoke>>;
  readonly things: readonly AsyncDisposable[];
}

/**
 * Everything in between cuts a connection on which nothing came for its time-out. An agent says something every 15 s at the
 * latest, whatever the time-out. So one of 20 s shows what one of 60 s would: the pings come in time, or they do not. And one
 * of 8 s shows that nothing else is said on an idle link, so that it is the pings that hold the others.
 */
async function startIdleLinks(): Promise<IdleLinks> {
  const things: AsyncDisposable[] = [];
  const start = async (seconds: number): Promise<Record<string, Spoke>> => {
    const nginx = await behindNginx({ http: `proxy_read_timeout ${seconds}s; proxy_send_timeout ${seconds}s;` });
    const time = `${seconds}s`;
    const changes = { "client 50s": `client ${time}`, "server 50s": `server ${time}` };
    const haproxy = await behindHaproxy({ changes });
    const squid = await behindSquid({ more: `read_timeout ${seconds} seconds` });
    const outwards = await hub.spoke({ "link.httpProxy": `http://127.0.0.1:${squid.port}` });
    const spokes = { nginx: await trusting(), haproxy: await trusting(), squid: outwards };
    things.push(nginx, haproxy, squid, ...Object.values(spokes));
    await spokes.nginx.join(urlOf(nginx));
    await spokes.haproxy.join(urlOf(haproxy));
    await spokes.squid.join(`ws://peer.example:${hub.town.agent.ports.link}/link`);
    return spokes;
  };
  return { held: await start(20), cut: await start(8), things, since: performance.now() };
}

suite("behind nginx", () => {
  test("the recipe carries a page, 20 MiB each way, and events at once", async () => {
    await using nginx = await behindNginx();
    await using spoke = await trusting();
    await settle(spoke, urlOf(nginx));
    await provesItself(spoke);
    assert.deepEqual(spoke.losses(), []);
  });

  test("a path prefix may be kept or taken off", async () => {
    await using kept = await behindNginx({ changes: { "location = /link": "location /some/prefix/" } });
    await using near = await trusting();
    await settle(near, urlOf(kept, "/some/prefix/"));
    await provesItself(near);

    const { link } = hub.town.agent.ports;
    const changes = { "location = /link": "location /other/", [`127.0.0.1:${link}`]: `127.0.0.1:${link}/` };
    await using taken = await behindNginx({ changes });
    await using far = await trusting();
    await settle(far, urlOf(taken, "/other/link"));
    await provesItself(far);
  });

  test("buffers, limits on bodies, short time-outs of requests and HTTP/2 mean nothing to it", async () => {
    const http = `proxy_buffering on; proxy_request_buffering on; proxy_max_temp_file_size 1m; client_max_body_size 1k;
      client_body_timeout 2s; client_header_timeout 2s; keepalive_timeout 2s; keepalive_requests 1;`;
    await using nginx = await behindNginx({ http, changes: { " ssl;": " ssl http2;" } });
    await using spoke = await trusting();
    await settle(spoke, urlOf(nginx));
    await provesItself(spoke);
    assert.deepEqual(spoke.losses(), []);
  });

  test("a reload in the middle of transfers ends none: the old worker lives as long as its link", async () => {
    await using nginx = await behindNginx();
    await using spoke = await trusting();
    await settle(spoke, urlOf(nginx));
    await endsNothing(spoke, () => nginx.reload());
  });

  test("a reload with a worker_shutdown_timeout cuts the connection, and no transfer notices", async () => {
    await using nginx = await behindNginx({ main: "worker_shutdown_timeout 1s;" });
    await using spoke = await trusting();
    await settle(spoke, urlOf(nginx));
    await isSurvived(spoke, () => nginx.reload());
  });

  test("killed and started again in the middle of transfers, it breaks none", async () => {
    await using nginx = await behindNginx();
    await using spoke = await trusting();
    await settle(spoke, urlOf(nginx));
    await isSurvived(spoke, async () => {
      await nginx.kill();
      await nginx.start();
    });
  });

  test("who forgot the upgrade's headers, or whose agent is down, is told so", async () => {
    await using spoke = await trusting();
    await using forgetful = await behindNginx({ changes: { proxy_set_header: "#" } });
    await assert.rejects(spoke.join(urlOf(forgetful)), /HTTP 404 .* Upgrade and Connection/);
    await using idle = await behindNginx({ target: await freePort() });
    await assert.rejects(spoke.join(urlOf(idle)), /HTTP 502 .* is it running\?/);
  });
});

suite("the certificate of an ingress", () => {
  test("that nobody vouches for is refused with the settings that mend it, and passes when told so", async () => {
    await using nginx = await behindNginx();
    await using wary = await hub.spoke();
    await assert.rejects(wary.join(urlOf(nginx)), (error: Error) => {
      assert.match(error.message, /certificate/);
      assert.match(error.message, /link\.caFile/);
      assert.match(error.message, /link\.insecure/);
      return true;
    });
    assert.equal(wary.links(), 0);
    await using careless = await hub.spoke({ "link.insecure": "true" });
    await settle(careless, urlOf(nginx));
    await provesItself(careless);
  });

  test("for other names is refused too, and it says which names it has", async () => {
    await using nginx = await behindNginx();
    await using spoke = await trusting();
    await assert.rejects(spoke.join(`wss://127.0.0.1:${nginx.port}/link`), /Dial a name .*DNS:peer\.example/);
  });
});

suite("behind haproxy", () => {
  test("the recipe carries a page, 20 MiB each way, and events at once", async () => {
    await using haproxy = await behindHaproxy();
    await using spoke = await trusting();
    await settle(spoke, urlOf(haproxy));
    await provesItself(spoke);
    assert.deepEqual(spoke.losses(), []);
  });

  test("a reload in the middle of transfers ends none: the old worker lives as long as its link", async () => {
    await using haproxy = await behindHaproxy();
    await using spoke = await trusting();
    await settle(spoke, urlOf(haproxy));
    await endsNothing(spoke, () => haproxy.reload());
  });

  test("a reload with hard-stop-after cuts the connection, and no transfer notices", async () => {
    await using haproxy = await behindHaproxy({ global: "hard-stop-after 1s" });
    await using spoke = await trusting();
    await settle(spoke, urlOf(haproxy));
    await isSurvived(spoke, () => haproxy.reload());
  });

  test("killed and started again in the middle of transfers, it breaks none", async () => {
    await using haproxy = await behindHaproxy();
    await using spoke = await trusting();
    await settle(spoke, urlOf(haproxy));
    await isSurvived(spoke, async () => {
      await haproxy.kill();
      await haproxy.start();
    });
  });

  test("a check by HTTP must not ask the peer port, which answers 404; a check by TCP may, and disturbs nothing", async () => {
    const { link, telemetry } = hub.town.agent.ports;
    const asDocumented = `check port ${telemetry}`;
    await using byHttp = await behindHaproxy({ changes: { [asDocumented]: `check inter 100ms port ${link}` } });
    await byHttp.prints(/is DOWN/);
    await using spoke = await trusting();
    await assert.rejects(spoke.join(urlOf(byHttp)), /HTTP 503/);

    const before = hub.said().length;
    const changes = { "option httpchk GET /readyz": "", [asDocumented]: "check inter 100ms" };
    await using byTcp = await behindHaproxy({ changes });
    await settle(spoke, urlOf(byTcp));
    await provesItself(spoke);
    const complaints = hub
      .said()
      .slice(before)
      .filter((line) => line.includes("refused"));
    assert.deepEqual(complaints, []);
  });
});

suite("through an HTTP proxy on the way out", () => {
  const through = (squid: { port: number }, more: Record<string, string> = {}, credentials = "") => {
    const proxy = `http://${credentials}127.0.0.1:${squid.port}`;
    return hub.spoke({
      "link.caFile": hub.certificate.rootFile,
      "link.httpProxy": proxy,
      "link.httpsProxy": proxy,
      ...more,
    });
  };

  test("a link stands over wss to an ingress whose name only the proxy can look up, and is back when the proxy is", async () => {
    await using nginx = await behindNginx();
    await using squid = await behindSquid({ ports: [nginx.port] });
    {
      await using spoke = await through(squid);
      await settle(spoke, `wss://peer.example:${nginx.port}/link`);
      await provesItself(spoke);
      assert.deepEqual(spoke.losses(), []);
      await isSurvived(spoke, async () => {
        await squid.kill();
        await squid.start();
      });
    }
    assert.deepEqual(await squid.asked(1), [`CONNECT peer.example:${nginx.port} 200`]);
  });

  test("ws goes by CONNECT too", async () => {
    const { link } = hub.town.agent.ports;
    await using squid = await behindSquid();
    {
      await using spoke = await through(squid);
      await settle(spoke, `ws://peer.example:${link}/link`);
      await provesItself(spoke);
    }
    assert.deepEqual(await squid.asked(1), [`CONNECT peer.example:${link} 200`]);
  });

  test("one that asks for a password gets that of its URL; without, or with a wrong one, it says what is missing", async () => {
    const url = `ws://peer.example:${hub.town.agent.ports.link}/link`;
    const credentials = { user: "agent", password: "p@ss:word" };
    await using squid = await behindSquid({ credentials });
    for (const wrong of ["", "agent:geheim@"]) {
      await using spoke = await through(squid, {}, wrong);
      await assert.rejects(spoke.join(url), (error: Error) => {
        assert.match(error.message, /HTTP 407.* user and a password/);
        assert.doesNotMatch(error.message, /geheim/);
        return true;
      });
    }
    await using spoke = await through(squid, {}, "agent:p%40ss%3Aword@");
    await settle(spoke, url);
    await provesItself(spoke);
  });

  test("what NO_PROXY names is dialled straight", async () => {
    const { link } = hub.town.agent.ports;
    await using squid = await behindSquid();
    // For Linux it is this machine, and for an agent an address like any other.
    await using spoke = await through(squid, { "link.noProxy": "10.0.0.0/8,0.0.0.0" });
    await settle(spoke, `ws://0.0.0.0:${link}/link`);
    await provesItself(spoke);
    // This name it would have to look up itself, and cannot.
    await using other = await through(squid, { "link.noProxy": ".example" });
    await assert.rejects(other.join(`ws://peer.example:${link}/link`), /peer\.example port \d+ cannot be reached/);
    assert.deepEqual(await squid.asked(0), []);
  });

  test("a port to which it does not let CONNECT pass is named", async () => {
    await using squid = await behindSquid({ ports: [443] });
    await using spoke = await through(squid);
    const url = `ws://peer.example:${hub.town.agent.ports.link}/link`;
    await assert.rejects(spoke.join(url), /HTTP 403\. It does not allow CONNECT to that host and port/);
  });
});

suite("an idle link", () => {
  before(() => pause(Math.max(0, idle.since + watchMs - performance.now())));

  for (const front of ["nginx", "haproxy", "squid"]) {
    test(`outlives an idle time-out of 20 s in ${front}, since agents are never silent for more than 15 s`, () => {
      assert.deepEqual(idle.held[front]?.losses(), []);
      assert.equal(idle.held[front]?.links(), 1);
    });

    test(`is cut by one of 8 s in ${front}, and made again each time`, () => {
      const losses = idle.cut[front]?.losses() ?? [];
      assert.ok(losses.length >= 2, `${losses.length} cuts`);
    });
  }
});
