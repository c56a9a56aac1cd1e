/** A whole agent on an embedded cluster: its first administrator signs in with a browser, and nothing tells of it what is secret. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { test } from "node:test";
import { inspect } from "node:util";
import type { Log } from "../src/base/log.ts";
import { agentNamespace } from "../src/demo/town.ts";
import { secrets } from "../src/kube/resources.ts";
import { decodeData } from "../src/kube/secret-data.ts";
import { startWorld } from "./cli/world.ts";
import { patience, until } from "./patience.ts";

const next = "a password of the admin's own";

interface Answer {
  readonly status: number;
  readonly cookies: readonly string[];
  readonly text: string;
}

test("the first administrator signs in, has to change the password, and is known by a cookie until the session is revoked", {
  timeout: 240_000,
}, async () => {
  const lines: string[] = [];
  const write = (fields: object, text: string): void => void lines.push(`${text} ${inspect(fields, { depth: 12 })}`);
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log };
  await using world = await startWorld({ log });
  const { lisbon } = world;
  const signal = patience();
  const { host, port } = new URL(lisbon.consoleUrl);
  const ask = async (
    method: string,
    path: string,
    headers: Record<string, string>,
    body = "",
  ): Promise<IncomingMessage> => {
    const req = request({ host: "127.0.0.1", port, method, path, agent: false, headers: { host, ...headers } });
    req.end(body);
    const [res] = (await once(req, "response")) as [IncomingMessage];
    return res;
  };
  const call = async (
    method: string,
    message: object,
    cookie = "",
    by: Record<string, string> = {},
  ): Promise<Answer> => {
    const headers = { origin: `http://${host}`, "content-type": "application/json", cookie, ...by };
    const res = await ask("POST", `/fairlead.console.v1.${method}`, headers, JSON.stringify(message));
    const cookies = (res.headers["set-cookie"] ?? []).map((set) => set.split(";")[0] ?? "");
    return { status: res.statusCode ?? 0, cookies, text: Buffer.concat(await res.toArray()).toString() };
  };
  const listPeers = (cookie: string) => call("PeerService/ListPeers", {}, cookie);
  const ref = { namespace: agentNamespace, name: "fairlead-first-admin" };
  const kept = await lisbon.kube.client.get(secrets, ref, signal);
  const name = "admin";
  const password = (kept && decodeData(kept, "password")) ?? assert.fail("there is no first administrator");

  const options = await call("SignInService/GetSignInOptions", {});
  assert.deepEqual(JSON.parse(options.text), { password: true });
  const first = await call("SignInService/SignIn", { name, password });
  assert.equal(JSON.parse(first.text).mustChangePassword, true, first.text);
  const [firstCookie = ""] = first.cookies;
  const early = await listPeers(firstCookie);
  assert.match(early.text, /[Cc]hange your password first/);

  const changed = await call("SignInService/ChangePassword", { current: password, next }, firstCookie);
  assert.equal(changed.status, 200, changed.text);
  const [cookie = "", mark = ""] = changed.cookies;
  assert.equal((await listPeers(firstCookie)).status, 401);
  assert.equal((await listPeers(cookie)).status, 200);
  assert.equal(
    (await call("SignInService/SignIn", { name, password })).status,
    401,
    "the first password is none any more",
  );
  const other = await call("SignInService/SignIn", { name, password: next }, mark);
  assert.equal(other.status, 200, other.text);

  const { browserSessions: sessions } = JSON.parse((await call("AccessService/ListBrowserSessions", {}, cookie)).text);
  assert.equal(sessions.length, 2);
  const who = JSON.parse((await call("AccessService/WhoAmI", {}, cookie)).text);
  assert.equal(who.name, "admin");

  const events = await ask("GET", "/events?topics=peers", { cookie, "sec-fetch-site": "same-origin" });
  assert.equal(events.statusCode, 200);
  const ended = once(events.resume(), "end");
  const foreign = await ask("GET", "/events?topics=peers", { cookie, "sec-fetch-site": "same-site" });
  assert.equal(foreign.resume().statusCode, 401);

  const byToken = { authorization: `Bearer ${lisbon.token}` };
  for (const { id } of sessions) {
    assert.equal((await call("AccessService/RevokeBrowserSession", { id }, "", byToken)).status, 200);
  }
  assert.equal((await listPeers(cookie)).status, 401);
  await ended;
  const left = async (): Promise<boolean> => {
    const { items } = await lisbon.kube.client.list(
      secrets,
      { namespace: agentNamespace, labelSelector: "fairlead.dev/kind=session" },
      signal,
    );
    return items.length === 0;
  };
  await until("no session is kept", left);

  const { items } = await lisbon.kube.client.list(secrets, { namespace: agentNamespace }, signal);
  const stored = items.flatMap(({ data = {} }) =>
    Object.values(data).map((text) => Buffer.from(text, "base64").toString()),
  );
  const audit = (await call("AuditService/ListAudit", {}, "", byToken)).text;
  assert.match(audit, /session\.begin/);
  const hidden = [next, ...[firstCookie, cookie, other.cookies[0] ?? ""].map((one) => one.split(".")[1] ?? "?")];
  for (const secret of hidden) {
    for (const told of [lines.join("\n"), audit, stored.join("\n")]) {
      assert.ok(!told.includes(secret) && !told.includes(Buffer.from(secret).toString("base64")), secret);
    }
  }
  assert.ok(!lines.join("\n").includes(password) && !audit.includes(password));
});
