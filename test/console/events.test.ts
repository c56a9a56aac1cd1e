/** GET /events, as curl and browsers read it, over both protocols of the port. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:http2";
import type { Readable } from "node:stream";
import { suite, test } from "node:test";
import { Role } from "../../src/gen/fairlead/console/v1/access_pb.ts";
import { until } from "../patience.ts";
import { person } from "./people.ts";
import { startWatchConsole, type WatchConsole } from "./watch/watch-console.ts";

interface Event {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

/** A stream of events as a browser reads it. */
class Events {
  readonly all: Event[] = [];
  /** Whatever was ever told, in words. */
  readonly heard = new Set<string>();
  lastId = "";
  comments = 0;
  isOver = false;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly #body: Readable;
  readonly #end: () => void;
  #text = "";

  constructor(status: number, headers: Events["headers"], body: Readable, end: () => void) {
    this.status = status;
    this.headers = headers;
    this.#body = body;
    this.#end = end;
    body.setEncoding("utf8");
    body.on("error", () => undefined);
    body.once("close", () => {
      this.isOver = true;
    });
    body.on("data", (chunk: string) => {
      this.#text += chunk;
      for (let end = this.#text.indexOf("\n\n"); end >= 0; end = this.#text.indexOf("\n\n")) {
        this.#take(this.#text.slice(0, end).split("\n"));
        this.#text = this.#text.slice(end + 2);
      }
    });
  }

  get text(): string {
    return this.#text;
  }

  /** What came since it was asked last, up to this event. */
  async until(wanted: string): Promise<string[]> {
    await until(wanted, () => this.#words().includes(wanted), { seen: () => this.#words() });
    const told = this.#words();
    this.all.length = 0;
    return told;
  }

  pause(): void {
    this.#body.pause();
  }

  resume(): void {
    this.#body.resume();
  }

  close(): void {
    this.#end();
  }

  #words(): string[] {
    return this.all.map(wordsOf);
  }

  #take(lines: readonly string[]): void {
    const fields = new Map<string, string>();
    for (const line of lines) {
      const at = line.indexOf(":");
      if (at === 0) this.comments += 1;
      else fields.set(line.slice(0, at), line.slice(at + 1).replace(/^ /, ""));
    }
    const id = fields.get("id");
    if (id !== undefined) this.lastId = id;
    const data = fields.get("data");
    if (data === undefined) return;
    const event = { event: fields.get("event") ?? "message", id, data };
    this.all.push(event);
    this.heard.add(wordsOf(event));
  }
}

function wordsOf({ event, data }: Event): string {
  if (event !== "change") return event;
  const { name, gone, app } = JSON.parse(data);
  return gone ? `${name} gone` : `${name} ${app?.spec?.replicas ?? ""}`;
}

type Headers = Readonly<Record<string, string>>;

const grace: Headers = { authorization: "Bearer grace" };

async function overHttp1(port: number, path: string, headers: Headers = grace): Promise<Events> {
  const req = request({ port, host: "127.0.0.1", path, headers, agent: false }).end();
  req.on("error", () => undefined);
  const [res]: IncomingMessage[] = await once(req, "response");
  assert.ok(res);
  return new Events(res.statusCode ?? 0, res.headers, res, () => void req.destroy());
}

async function overHttp2(port: number, path: string, headers: Headers = grace): Promise<Events> {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  const stream = session.request({ ":path": path, ...headers }).end();
  const [answer] = await once(stream, "response");
  return new Events(Number(answer[":status"]), answer, stream, () => session.destroy());
}

for (const [protocol, open] of [
  ["HTTP/1.1", overHttp1],
  ["HTTP/2", overHttp2],
] as const) {
  suite(`events over ${protocol}`, { timeout: 60_000 }, () => {
    test("are the present state, then each change, as JSON with where one is", async () => {
      await using at = await startWatchConsole();
      at.world.apps.set("shop/a", { peer: "east", replicas: 1 });
      const events = await open(at.port, "/events?topics=apps");
      assert.equal(events.status, 200);
      assert.equal(events.headers["content-type"], "text/event-stream; charset=utf-8");
      for (const [name, value] of [
        ["cache-control", "no-store"],
        ["x-content-type-options", "nosniff"],
        ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
      ] as const) {
        assert.equal(events.headers[name], value);
      }
      assert.equal(events.headers["access-control-allow-origin"], undefined);
      assert.deepEqual(await events.until("synced"), ["a 1", "synced"]);
      at.world.apps.set("shop/b", { peer: "east", replicas: 2 });
      at.world.apps.set("shop/a", undefined);
      assert.deepEqual(await events.until("a gone"), ["b 2", "a gone"]);
      events.close();
      await until("nobody watches", () => at.world.hub.size === 0);
    });

    test("go on where a client was, by Last-Event-ID as by resume", async () => {
      await using at = await startWatchConsole();
      at.world.apps.set("shop/a", { peer: "east", replicas: 1 });
      const first = await open(at.port, "/events?topics=apps");
      await first.until("synced");
      at.world.apps.set("shop/b", { peer: "east", replicas: 1 });
      await first.until("b 1");
      first.close();
      at.world.apps.set("shop/c", { peer: "east", replicas: 1 });
      const again = await open(at.port, "/events?topics=apps", { ...grace, "last-event-id": first.lastId });
      assert.deepEqual(await again.until("synced"), ["c 1", "synced"]);
      again.close();
      const asked = await open(at.port, `/events?topics=apps&resume=${encodeURIComponent(first.lastId)}`);
      assert.deepEqual(await asked.until("synced"), ["c 1", "synced"]);
      asked.close();
      const other = await open(at.port, "/events?topics=apps", { ...grace, "last-event-id": "of another time" });
      assert.deepEqual(await other.until("synced"), ["reset", "a 1", "b 1", "c 1", "synced"]);
      other.close();
    });

    test("are refused as calls are", async () => {
      await using at = await startWatchConsole();
      at.office.people.set("nobody", person("nobody", []));
      at.office.people.set("erin", person("erin", [{ role: Role.VIEWER, peers: ["east"] }]));
      const answerOf = async (path: string, headers?: Headers) => {
        const events = await open(at.port, path, headers);
        await until("the answer ends", () => events.isOver);
        events.close();
        return { status: events.status, ...JSON.parse(events.text) };
      };
      const refused = async (path: string, headers?: Headers): Promise<readonly [number, string]> => {
        const { status, code } = await answerOf(path, headers);
        return [status, code];
      };
      assert.deepEqual(await refused("/events", {}), [401, "unauthenticated"]);
      assert.deepEqual(await refused("/events", { authorization: "Bearer nobody" }), [403, "permission_denied"]);
      const erin = { authorization: "Bearer erin" };
      assert.deepEqual(await refused("/events?topics=apps,invites", erin), [403, "permission_denied"]);
      for (const query of [
        "topics=aps",
        "topic=apps",
        "topics=apps&topics=peers",
        "namespace=shop",
        "topics=apps&labelSelector=tier+in+web",
        `topics=apps&namespace=${"a".repeat(64)}`,
        `topics=${Array(33).fill("apps").join(",")}`,
      ]) {
        assert.deepEqual(await refused(`/events?${query}`), [400, "invalid_argument"], query);
        const { details } = await answerOf(`/events?${query}`);
        assert.equal(details[0].type, "buf.validate.Violations", query);
      }
    });

    test("end within a second, and say so, when their reader may no longer", async () => {
      await using at = await startWatchConsole();
      const events = await open(at.port, "/events?topics=apps");
      await events.until("synced");
      at.office.people.clear();
      await events.until("end");
      await until("the answer ends", () => events.isOver);
    });

    test("end when the agent stops", async () => {
      const at = await startWatchConsole();
      const events = await open(at.port, "/events?topics=apps");
      await events.until("synced");
      const stopped = at[Symbol.asyncDispose]();
      await events.until("end");
      events.close();
      await stopped;
    });

    test("a reader that reads nothing is owed no more than buffers hold, and then hears how it is and not all that was", async () => {
      await using at = await startWatchConsole({ padding: "x".repeat(20_000) });
      const events = await open(at.port, "/events?topics=apps");
      await events.until("synced");
      events.pause();
      const made = (): number => at.world.shown.count;
      let steps = 0;
      await until("nothing more is made for it", async () => {
        const before = made();
        for (let i = 0; i < 10; i += 1) steps = await flood(at, steps);
        return made() === before;
      });
      assert.ok(made() < steps / 2, `${made()} of ${steps} changes were made for who does not read`);
      events.resume();
      const last = Array.from({ length: 20 }, (_, i) => `${i} ${steps - 20 + i}`);
      for (const one of last) await until(one, () => events.heard.has(one));
      events.close();
    });
  });
}

/** Changes each of 20 apps; a change's number is what an app has of replicas. */
async function flood(at: WatchConsole, from: number): Promise<number> {
  for (let i = 0; i < 20; i += 1) at.world.apps.set(`shop/${i}`, { peer: "east", replicas: from + i });
  // The log announces what comes together as one.
  await new Promise((resolve) => setTimeout(resolve, 5));
  return from + 20;
}
