/** An app as there are many, in a real Chromium: a page with what belongs to it, at the app's own host, through two agents. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createServer, type RequestListener } from "node:http";
import { after, before, describe, test } from "node:test";
import type { BrowserContext } from "playwright-core";
import { WebSocketServer } from "ws";
import { admin, type ConsoleWorld, startConsole } from "../console/console-world.ts";
import { startBrowser, type TestBrowser } from "./chromium.ts";
import { ways } from "./landscape.ts";

const pictures = 60;
const film = randomBytes(8_000_000);
const filmHash = createHash("sha256").update(film).digest("hex");

const html = `<!doctype html><title>shop</title><link rel="stylesheet" href="/shop.css"><script type="module" src="/shop.js"></script>
<body>${Array.from({ length: pictures }, (_, i) => `<img src="/picture/${i}.svg">`).join("")}</body>`;

const script = `
  import { word } from "/word.js";
  const hash = async (bytes) => [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((b) => b.toString(16).padStart(2, "0")).join("");
  const said = new Promise((done) => {
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/talk", ["chat"]);
    socket.onopen = () => socket.send("x".repeat(100_000));
    socket.onmessage = ({ data }) => done([socket.protocol, socket.extensions, data.length]);
  });
  const heard = new Promise((done) => {
    const events = new EventSource("/events");
    const got = [];
    events.onmessage = ({ data, lastEventId }) => { got.push(data); if (got.length === 3) { events.close(); done(got); } };
  });
  const film = await fetch("/film").then((answer) => answer.arrayBuffer());
  const part = await fetch("/film", { headers: { range: "bytes=1000-1999" } });
  const posted = await fetch("/post", { method: "POST", body: film }).then((answer) => answer.text());
  await Promise.all([...document.images].map((image) => image.decode().catch(() => undefined)));
  globalThis.report = {
    word, film: globalThis.crypto.subtle ? await hash(film) : film.byteLength,
    part: [part.status, part.headers.get("content-range"), (await part.arrayBuffer()).byteLength],
    posted, said: await said, heard: await heard,
    pictures: [...document.images].filter((image) => image.complete && image.naturalWidth === 7).length,
    color: getComputedStyle(document.body).color, cookie: document.cookie,
    protocols: [...new Set(performance.getEntriesByType("resource").map((entry) => entry.nextHopProtocol))].filter(Boolean),
  };`;

function listener(unchanged: Set<string>): RequestListener {
  return async (req, res) => {
    const url = req.url ?? "";
    const send = (type: string, body: string | Buffer): void => {
      const etag = `"${createHash("sha256").update(body).digest("hex").slice(0, 16)}"`;
      if (req.headers["if-none-match"] === etag) {
        unchanged.add(url);
        return void res.writeHead(304, { etag }).end();
      }
      res.writeHead(200, { "content-type": type, etag, "cache-control": "no-cache" }).end(body);
    };
    if (url === "/") {
      res.setHeader("Set-Cookie", ["a=1; Path=/", "b=2; Path=/"]);
      return send("text/html", html);
    }
    if (url === "/shop.css") return send("text/css", "body { color: rgb(1, 2, 3) }");
    if (url === "/shop.js") return send("text/javascript", script);
    if (url === "/word.js") return send("text/javascript", `export const word = "imported";`);
    if (url.startsWith("/picture/"))
      return send("image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>`);
    if (url === "/post")
      return void res.end(
        createHash("sha256")
          .update(Buffer.concat(await req.toArray()))
          .digest("hex"),
      );
    if (url === "/film") {
      const range = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? "");
      if (!range) return void res.writeHead(200, { "content-length": film.length }).end(film);
      const [from, to] = [Number(range[1]), Number(range[2])];
      return void res
        .writeHead(206, { "content-range": `bytes ${from}-${to}/${film.length}` })
        .end(film.subarray(from, to + 1));
    }
    if (url === "/events") {
      // The first connection breaks in the second event; the browser comes again, and says which was the last.
      const last = Number(req.headers["last-event-id"] ?? 0);
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.write(`retry: 1\n\nid: ${last + 1}\ndata: event ${last + 1}\n\n`);
      if (last > 0) return void res.write(`id: ${last + 2}\ndata: event ${last + 2}\n\n`);
      return void res.write("data: torn off", () => req.socket.destroy());
    }
    res.writeHead(404).end();
  };
}

describe("an app in a browser", () => {
  let browser: TestBrowser;
  before(async () => {
    browser = await startBrowser({ names: ["apps.example", "*.apps.example"] });
  });
  after(() => browser[Symbol.asyncDispose]());

  for (const { name, scheme, domain } of ways) {
    test(`loads with all that belongs to it, and speaks both ways, ${name}`, async () => {
      const unchanged = new Set<string>();
      await using world: ConsoleWorld = await startConsole({ domain });
      const app = createServer(listener(unchanged));
      new WebSocketServer({ server: app, perMessageDeflate: true, handleProtocols: () => "chat" }).on(
        "connection",
        (socket) => socket.on("message", (data) => socket.send(String(data))),
      );
      await world.run("web", app);
      const visitor: BrowserContext = await browser.visitor();
      const page = await visitor.newPage();
      const failed: string[] = [];
      page.on("requestfailed", (request) => failed.push(request.url()));
      page.on("response", (response) => {
        if (response.status() >= 400) failed.push(`${response.status()} ${response.url()}`);
      });
      const opened = world.server.open({ namespace: "shop", name: "web" }, admin);
      assert.ok(opened.ok);
      const look = async () => {
        await page.waitForFunction("globalThis.report");
        return page.evaluate("report");
      };
      await page.goto(opened.url.replace("http:", `${scheme}:`));
      assert.deepEqual(await look(), {
        word: "imported",
        film: scheme === "https" || domain === "localhost" ? filmHash : film.length,
        part: [206, `bytes 1000-1999/${film.length}`, 1000],
        posted: filmHash,
        said: ["chat", "permessage-deflate", 100_000],
        heard: ["event 1", "event 2", "event 3"],
        pictures,
        color: "rgb(1, 2, 3)",
        cookie: "a=1; b=2",
        protocols: [scheme === "https" ? "h2" : "http/1.1"],
      });
      await page.reload();
      await look();
      // A browser keeps nothing that came under a certificate which it does not believe by itself.
      if (scheme === "http") assert.ok(unchanged.size > pictures, "what has not changed is not sent again");
      const own = failed.filter((url) => !url.endsWith("/favicon.ico") && !url.endsWith("/events"));
      assert.deepEqual(own, []);
      await visitor.close();
    });
  }
});
