/**
 * A host, and agents that reach it each by a way of its own: on embedded clusters, all in this process. What stands between
 * them is the test's business.
 */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "../../src/base/log.ts";
import { silentLog } from "../../src/base/log.ts";
import { buildTown, type Town } from "../../src/demo/town.ts";
import { openPolicy } from "../policy/open-policy.ts";
import { type Certificate, makeCertificate } from "./outer-certificate.ts";
import { until } from "./until.ts";

export interface Hub extends AsyncDisposable {
  readonly town: Town;
  /** Goes with the hub. */
  readonly directory: string;
  /** For `localhost` and `peer.example`. */
  readonly certificate: Certificate;
  /** An agent that can only dial, with these settings. It is not paired yet. */
  spoke(settings?: Readonly<Record<string, string>>): Promise<Spoke>;
  /** What the host's agent logged, one line an entry. */
  said(): readonly string[];
}

export interface Spoke extends AsyncDisposable {
  readonly town: Town;
  /** Redeems an invite of the host's that says this URL, and gives these grants: "apps" unless said. Rejects with what the person who joins would read. */
  join(url: string, grants?: string[]): Promise<void>;
  /** How often the link to the host has come to stand so far: for the first time, or at another connection. */
  links(): number;
  /** Why it lost its connections, in order. */
  losses(): readonly string[];
  /** Waits until it has come to stand more than `before` times, and stands. */
  linkAfter(before: number, seconds?: number): Promise<void>;
  /** Deploys the app that the methods below ask, and waits until it is Ready. */
  deploy(): Promise<void>;
  /** What a browser does, with the app's own path. Rejects when the answer breaks off, as fetch does. */
  ask(path: string, init?: RequestInit): Promise<Response>;
}

const app = { namespace: "default", name: "echo" } as const;
const port = 8080;

/** Builds the host. Close the spokes first. */
export async function buildHub(): Promise<Hub> {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-ingress-"));
  // What stands in between may be another user by the time it opens its files. Those that are secret are closed themselves.
  await chmod(directory, 0o755);
  const heard = createHearing();
  const common = { directory, firstPort: 0, version: "0.0.1" };
  const town = await buildTown({ ...common, name: "host", log: heard.log }, AbortSignal.timeout(60_000));
  await openPolicy(town.kube.client);
  let spokes = 0;
  return {
    town,
    directory,
    certificate: await makeCertificate(directory, ["localhost", "peer.example"]),
    said: () => heard.lines.map(({ text }) => text),
    async spoke(settings = {}) {
      spokes += 1;
      const ear = createHearing();
      const options = { ...common, name: `spoke-${spokes}`, log: ear.log, processes: false };
      // Without a URL the host cannot dial back, past what is tested.
      const built = await buildTown(
        { ...options, settings: { "link.url": "", ...settings } },
        AbortSignal.timeout(60_000),
      );
      return createSpoke(town, built, ear);
    },
    async [Symbol.asyncDispose]() {
      await town.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function createSpoke(host: Town, town: Town, ear: Hearing): Spoke {
  const count = (msg: string): number => ear.lines.filter((line) => line.msg === msg).length;
  const links = (): number => count("peer connected");
  const door = `${town.consoleUrl}/apps/${app.namespace}/${app.name}/${port}`;
  const signal = (): AbortSignal => AbortSignal.timeout(60_000);
  const authorization = `Bearer ${town.token}`;
  return {
    town,
    links,
    losses: () =>
      ear.lines
        .filter(({ msg }) => msg === "peer disconnected")
        .map(({ fields }) => String(Reflect.get(fields, "reason"))),
    async join(url, grants = ["apps"]) {
      const invite = await host.client.peers.createInvite({ name: town.name, grants, url }, { signal: signal() });
      for await (const _step of town.client.peers.join({ invite: invite.line }, { signal: signal() }));
    },
    linkAfter: async (before, seconds = 20) => {
      await until("the link is back", async () => links() > before && links() > count("peer disconnected"), {
        seconds,
        seen: () => ear.lines.slice(-5).map(({ text }) => text),
      });
    },
    async deploy() {
      const spec = { peer: host.name, image: "fairlead.dev/echo:1", ports: [{ name: "web", containerPort: port }] };
      await town.client.apps.deployApp({ ref: app, spec }, { signal: signal() });
      await until(
        "the app is Ready",
        async () => (await town.client.apps.getApp({ ref: app }, { signal: signal() })).app?.status?.phase === "Ready",
        { seconds: 30 },
      );
    },
    ask: (path, init = {}) =>
      fetch(door + path, { signal: signal(), ...init, headers: { ...init.headers, authorization } }),
    [Symbol.asyncDispose]: () => town.close(),
  };
}

/** The app's page, 20 MiB down and up with their hashes, and an event stream whose events come when they are sent. */
export async function provesItself(spoke: Spoke): Promise<void> {
  const page = await spoke.ask("/hello?a=b");
  assert.equal(page.status, 200);
  assert.partialDeepStrictEqual(await page.json(), { method: "GET", path: "/hello", query: "a=b" });

  const size = 20 * 1024 * 1024;
  await arrivesWhole(await spoke.ask(`/bytes?n=${size}`), size);

  const body = randomBytes(size);
  const uploaded = await spoke.ask("/upload", { method: "POST", body });
  assert.deepEqual(await uploaded.json(), { bytes: size, sha256: createHash("sha256").update(body).digest("hex") });

  // Ten events, each 100 ms after the one before: what collects them would give them at once, at the end.
  const startedAt = performance.now();
  const arrivals: number[] = [];
  for await (const _chunk of bodyOf(await spoke.ask("/stream?n=10&ms=100")))
    arrivals.push(performance.now() - startedAt);
  const [first = Number.POSITIVE_INFINITY, last = 0] = [arrivals[0], arrivals.at(-1)];
  assert.ok(arrivals.length >= 5, `10 events came in ${arrivals.length} pieces`);
  assert.ok(
    last - first > 500,
    `the first event came ${Math.round(last - first)} ms before the last, which was sent 900 ms later`,
  );
}

/** Reads a download to its end, and compares it with the hash that came with it. */
export async function arrivesWhole(answer: Response, size: number): Promise<void> {
  assert.equal(answer.status, 200);
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of bodyOf(answer)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  assert.equal(bytes, size);
  assert.equal(hash.digest("hex"), answer.headers.get("x-sha256"));
}

/** The pieces of a body, as they come. */
export function bodyOf(answer: Response): AsyncIterable<Uint8Array> {
  assert.ok(answer.body);
  return answer.body;
}

interface Hearing {
  readonly log: Log;
  readonly lines: { readonly msg: string; readonly fields: object; readonly text: string }[];
}

/** A log that is kept. */
function createHearing(): Hearing {
  const lines: Hearing["lines"] = [];
  const hear = (fields: object, msg: string): void => {
    lines.push({ msg, fields, text: `${msg} ${JSON.stringify(fields)}` });
  };
  const log: Log = { ...silentLog, info: hear, warn: hear, error: hear, child: () => log };
  return { log, lines };
}
