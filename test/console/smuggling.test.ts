import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { type ConsoleWorld, startConsole, token } from "./console-world.ts";

/** Sends bytes as they are and returns all that comes back until the server closes, which all of them make it do. */
async function raw(world: ConsoleWorld, bytes: string): Promise<string> {
  const socket = connect(world.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(bytes, "latin1");
  let text = "";
  socket.on("data", (part: Buffer) => {
    text += part.toString("latin1");
  });
  await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

const auth = `Authorization: Bearer ${token}\r\n`;
const door = "/apps/shop/web/http";
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

interface Attack {
  readonly name: string;
  readonly bytes: string;
  /** The first status; 200 where the request is harmless once understood in one way. */
  readonly status: number;
}

const attacks: readonly Attack[] = [
  {
    name: "both Content-Length and Transfer-Encoding",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "two Content-Lengths",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: 0\r\nContent-Length: 40\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "a Content-Length that is no number",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: +5\r\n\r\nhello`,
    status: 400,
  },
  {
    name: "a Transfer-Encoding in disguise",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "a Transfer-Encoding that does not end in chunked",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "a space before a colon",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
    status: 400,
  },
  {
    name: "a folded header",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}X-A: 1\r\n X-B: 2\r\n\r\n`,
    status: 400,
  },
  {
    name: "lines that end in LF alone",
    bytes: `GET ${door}/ HTTP/1.1\nHost: x\n${auth.replace("\r", "")}\n`,
    status: 400,
  },
  {
    name: "a chunk with a malformed size",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "an absolute target that names another host",
    bytes: `GET http://web-shop-http.localhost${door}/ HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "two Hosts",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x\r\nHost: web-shop-http.localhost\r\n${auth}\r\n`,
    status: 400,
  },
  { name: "no Host", bytes: `GET ${door}/ HTTP/1.1\r\n${auth}\r\n`, status: 400 },
  {
    name: "a Host with a path in it",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x/web-shop-http.localhost\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "an encoded way out of the app",
    bytes: `GET ${door}/..%2f..%2f..%2fother HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 404,
  },
  {
    name: "a way out of the app in dot segments",
    bytes: `GET ${door}/../../../../x HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 404,
  },
  {
    name: "an encoded slash in the door's own part",
    bytes: `GET /apps/shop%2fweb/http/x HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 404,
  },
  {
    name: "an encoded NUL",
    bytes: `GET ${door}/a%00b HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 404,
  },
  {
    name: "a double slash before the door",
    bytes: `GET /${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 404,
  },
  {
    name: "CONNECT",
    bytes: `CONNECT 10.0.0.1:443 HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
    status: 0,
  },
  {
    name: "an upgrade with a body",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 40\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "an upgrade to HTTP/2 in clear is answered as if it had not been asked",
    bytes: `GET ${door}/plain HTTP/1.1\r\nHost: x\r\n${auth}Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
    status: 200,
  },
  {
    name: "Connection that names what the door says itself",
    bytes: `GET ${door}/plain HTTP/1.1\r\nHost: x\r\n${auth}Connection: close, x-forwarded-for, host, x-forwarded-prefix\r\n\r\n`,
    status: 200,
  },
  {
    name: "headers without end",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}X-A: ${"a".repeat(40_000)}\r\n\r\n`,
    status: 431,
  },
  {
    name: "a Content-Length in hexadecimal",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: 0x5\r\n\r\nhello`,
    status: 400,
  },
  {
    name: "a negative Content-Length",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: -1\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "a Content-Length that is a list",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: 0, 40\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "a Content-Length beyond all numbers",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Content-Length: 99999999999999999999999\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "two Transfer-Encodings",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "a Transfer-Encoding with a tab before its value's end",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: chunked\x0b\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
    status: 400,
  },
  {
    name: "a Transfer-Encoding in HTTP/1.0",
    bytes: `POST ${door}/ HTTP/1.0\r\nHost: x\r\n${auth}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "a chunk without its line end",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "a chunk whose size ends in LF alone",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "a chunk size beyond all numbers",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "a NUL in a header",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}X-A: 1\x002\r\n\r\n`,
    status: 400,
  },
  {
    name: "a CR alone in a header",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}X-A: 1\rX-B: 2\r\n\r\n`,
    status: 400,
  },
  {
    name: "a header without a name",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}: 1\r\n\r\n`,
    status: 400,
  },
  {
    name: "a header name in brackets",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}X(A): 1\r\n\r\n`,
    status: 400,
  },
  {
    name: "a space before the first header",
    bytes: `GET ${door}/ HTTP/1.1\r\n Host: x\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "a folded Host",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x\r\n\tweb-shop-http.localhost\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "a Host with credentials in it",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: a@web-shop-http.localhost\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "a Host with a comma in it",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x, web-shop-http.localhost\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "a Host that is empty",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost:\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "a Host whose port is none",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x:80:80\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "the version of another protocol",
    bytes: `GET ${door}/ HTTP/1.11\r\nHost: x\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "a target with a space in it",
    bytes: `GET ${door}/a HTTP/1.1 b HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "a target that is no path",
    bytes: `GET ..${door}/ HTTP/1.1\r\nHost: x\r\n${auth}\r\n`,
    status: 400,
  },
  {
    name: "a target with a fragment",
    bytes: `GET ${door}/a#b HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 404,
  },
  {
    name: "a backslash in the path",
    bytes: `GET ${door}/..\\..\\other HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 404,
  },
  {
    name: "an encoded backslash",
    bytes: `GET ${door}/..%5c..%5cother HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 404,
  },
  {
    name: "a line end in the path",
    bytes: `GET ${door}/a%0d%0aX-B:%201 HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 404,
  },
  {
    name: "an overlong encoding of a slash",
    bytes: `GET ${door}/..%c0%af..%c0%afother HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 400,
  },
  {
    name: "a way out that is encoded twice is one segment of the app's",
    bytes: `GET ${door}/..%252f..%252fother HTTP/1.1\r\nHost: x\r\n${auth}Connection: close\r\n\r\n`,
    status: 200,
  },
  {
    name: "Connection that names the credentials that the door takes away is no way to keep them",
    bytes: `GET ${door}/plain HTTP/1.1\r\nHost: x\r\n${auth}Connection: close, authorization, content-length, cookie\r\nCookie: fairlead-app=1\r\n\r\n`,
    status: 200,
  },
  {
    name: "a forged origin in the spellings that a CGI reads as the same",
    bytes: `GET ${door}/plain HTTP/1.1\r\nHost: x\r\n${auth}X_Forwarded_For: 6.6.6.6\r\nX-Forwarded_Prefix: /evil\r\nForwarded: for=6.6.6.6\r\nConnection: close\r\n\r\n`,
    status: 200,
  },
  {
    name: "an upgrade with chunks behind it",
    bytes: `POST ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "an upgrade to h2c hidden behind another",
    bytes: `GET ${door}/plain HTTP/1.1\r\nHost: x\r\n${auth}Connection: Upgrade, close\r\nUpgrade: websocket, h2c\r\n\r\n`,
    status: 200,
  },
  {
    name: "more headers than anybody needs",
    bytes: `GET ${door}/ HTTP/1.1\r\nHost: x\r\n${auth}${"X-A: aaaaaaaaaaaaaaa\r\n".repeat(2_500)}\r\n`,
    status: 431,
  },
];

describe("a request that two readers could understand in two ways", () => {
  test("crosses no door", async (t) => {
    for (const attack of attacks) await t.test(attack.name, () => crossesNot(attack));
  });
});

async function crossesNot(attack: Attack): Promise<void> {
  await using world = await startConsole();
  const seen: { url: string | undefined; headers: Record<string, unknown> }[] = [];
  const app = await world.run("web", (req, res) => {
    seen.push({ url: req.url, headers: req.headers });
    req.resume();
    res.end("app");
  });
  assert.ok(app);
  const answer = await raw(world, attack.bytes);
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);
  assert.equal(status, attack.status, answer.slice(0, 300));
  assert.ok(!seen.some(({ url }) => url?.includes("smuggled")), "the hidden request reached the app");
  assert.equal(seen.length, attack.status === 200 ? 1 : 0);
  for (const { headers } of seen) {
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["x-forwarded-prefix"], door);
    assert.equal(headers.host, "x");
    assert.equal(headers["http2-settings"], undefined);
    assert.equal(headers.upgrade, undefined);
    assert.equal(headers.authorization, undefined);
    assert.equal(headers.cookie, undefined);
    assert.ok(!JSON.stringify(headers).includes("6.6.6.6"), "a forged origin");
  }
}
