/** Watches whose connections break at moments that nobody chose: nothing is missed, nothing comes twice, and in the end all is known. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { type Followed, followChanges } from "../../src/client/follow.ts";
import { withToken } from "../../src/client/token.ts";
import { Topic, WatchService } from "../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { startWatchConsole, type WatchConsole } from "../console/watch/watch-console.ts";
import { until } from "../patience.ts";
import { cuts, startCuttingProxy } from "./cutting-proxy.ts";
import { Random } from "./simulation/random.ts";

const seeds = [1, 2, 3];
const cutsEach = 25;
const transports = {
  "Connect over HTTP/1.1": (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  "gRPC over HTTP/2": (baseUrl: string) => createGrpcTransport({ baseUrl }),
  "gRPC-Web in JSON": (baseUrl: string) =>
    createGrpcWebTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
};

/** Keeps what it is told, and finds fault with what it should not be. */
class Ledger {
  readonly known = new Map<string, number>();
  readonly faults: string[] = [];
  lost = 0;
  anew = 0;
  isSynced = false;
  /** By name, the number of the last change that was told, of what has gone too. */
  readonly #numbers = new Map<string, bigint>();
  #swept: Set<string> | undefined;

  take(told: Followed): void {
    if (told.kind === "lost") {
      this.lost += 1;
      return;
    }
    if (told.beginsAnew) {
      this.anew += 1;
      this.#swept = new Set();
      this.isSynced = false;
    }
    for (const { name, number, gone, now } of told.changes) {
      const before = this.#numbers.get(name) ?? 0n;
      if (number < before || (number === before && !this.#swept))
        this.faults.push(`${name}: ${number} after ${before}`);
      this.#numbers.set(name, number);
      this.#swept?.add(name);
      if (gone) this.known.delete(name);
      else if (now.case === "app") this.known.set(name, now.value.spec?.replicas ?? -1);
      else this.faults.push(`${name} has no state`);
    }
    if (!told.isSynced) return;
    for (const name of [...this.known.keys()]) if (this.#swept?.has(name) === false) this.known.delete(name);
    this.#swept = undefined;
    this.isSynced = true;
  }
}

/** Changes apps until it is told to stop, at no even pace. */
async function churn(at: WatchConsole, random: Random, there: Map<string, number>, isOver: () => boolean) {
  for (let step = 1; !isOver(); step += 1) {
    const name = `app-${random.between(1, 40)}`;
    if (random.chance(0.25)) there.delete(name);
    else there.set(name, step);
    const replicas = there.get(name);
    at.world.apps.set(`shop/${name}`, replicas === undefined ? undefined : { peer: "east", replicas });
    if (random.chance(0.3)) await pause(random.between(0, 3));
  }
}

for (const [how, transportTo] of Object.entries(transports)) {
  suite(`a watch by ${how}`, { timeout: 120_000 }, () => {
    for (const seed of seeds) {
      test(`that is cut ${cutsEach} times knows what there is (seed ${seed})`, async () => {
        const random = new Random(seed);
        await using at = await startWatchConsole({ padding: "x".repeat(2_000) });
        const proxy = await startCuttingProxy(at.port, random);
        const stop = new AbortController();
        const ledger = new Ledger();
        const transport = withToken(transportTo(`http://127.0.0.1:${proxy.port}`), "grace");
        const following = (async () => {
          const options = { signal: stop.signal, waits: { minMs: 1, maxMs: 20 } };
          const client = createClient(WatchService, transport);
          for await (const told of followChanges(client, [{ topic: Topic.APPS }], options)) ledger.take(told);
        })();
        const there = new Map<string, number>();
        let isOver = false;
        const churning = churn(at, random, there, () => isOver);
        try {
          for (let i = 0; i < cutsEach; i += 1) {
            await until("the watch stands", () => proxy.open > 0);
            await pause(random.magnitude(1, 60));
            await proxy.cut(random.pick(cuts));
          }
          isOver = true;
          await churning;
          const same = (): boolean =>
            ledger.known.size === there.size && [...there].every(([name, step]) => ledger.known.get(name) === step);
          await until("it knows all", () => ledger.isSynced && same(), {
            seen: () => ({ known: [...ledger.known], there: [...there] }),
          });
          assert.deepEqual(ledger.faults, []);
          assert.ok(ledger.lost >= cutsEach / 2, `${ledger.lost} losses were noticed`);
        } finally {
          isOver = true;
          stop.abort();
          await following;
          proxy.close();
        }
      });
    }
  });
}
