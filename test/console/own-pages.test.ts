/** What is for no door: the console's own pages, and its API. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { authority, bearer, startConsole } from "./console-world.ts";
import { connectHttp2 } from "./http2-client.ts";

/** What the protocol says of the connection, and when; all else is the answer. */
const ofTheHop = new Set(["connection", "keep-alive", "date", ":status", "transfer-encoding"]);

test("the console's own pages answer over HTTP/2 as over HTTP/1.1, in clear and over TLS", async () => {
  await using world = await startConsole();
  const asked = [
    { path: "/", headers: { accept: "text/html" } },
    { path: "/nothing/here?x=1", headers: {} },
    { path: "/assets/app.js", headers: { ":method": "HEAD" } },
    { path: "/%zz", headers: {} },
    { path: "/form", headers: { ":method": "POST", "content-type": "application/x-unknown" }, body: "a=1" },
    { path: "/form", headers: { ":method": "POST", "content-type": "application/json" }, body: "{" },
  ];
  for (const origin of [`http://127.0.0.1:${world.port}`, `https://127.0.0.1:${world.port}`]) {
    await using client = await connectHttp2(origin);
    for (const { path, headers, body } of asked) {
      const { ":method": method = body === undefined ? "GET" : "POST", ...rest } = headers as Record<string, string>;
      const one = await world.ask(path, { method, headers: rest, ...(body !== undefined && { body }) });
      const two = await client.ask(path, headers, body);
      const what = `${method} ${path}`;
      assert.equal(two.headers[":status"], one.status, what);
      assert.equal(two.body.toString(), one.text, what);
      assert.deepEqual(withoutHop(two.headers), withoutHop(one.headers), what);
      assert.equal(two.headers["content-security-policy"]?.includes("default-src 'none'"), true, what);
    }
  }
});

function withoutHop(headers: object): object {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofTheHop.has(name)));
}

test("a call of the API is told how its caller came, for addresses that lead the same way", async () => {
  await using world = await startConsole({
    routes: (router) =>
      void router.service(AppService, { openApp: (_request, context) => ({ url: new URL(context.url).origin }) }),
  });
  const ref = { namespace: "shop", name: "web" };
  for (const scheme of ["http", "https"] as const) {
    const options = {
      baseUrl: `${scheme}://127.0.0.1:${world.port}`,
      nodeOptions: { ca: authority.certPem },
      interceptors: [withToken],
    };
    for (const transport of [
      createConnectTransport({ ...options, httpVersion: "1.1" }),
      createConnectTransport({ ...options, httpVersion: "2" }),
      createGrpcTransport(options),
    ]) {
      assert.equal((await createClient(AppService, transport).openApp({ ref })).url, options.baseUrl);
    }
  }
});

const withToken: Interceptor = (next) => (request) => {
  request.header.set("authorization", bearer.authorization);
  return next(request);
};
