import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Answer, eventually, type Json } from "./api.ts";
import type { Context } from "./suite.ts";
import { type Channels, openChannels } from "./web-socket.ts";

export function podTests(t: Context): void {
  let name = "";
  const path = (sub?: string): string => t.path("pods", name, sub);
  before(async () => {
    name = t.name("pod");
    const body = {
      metadata: { name },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ ...t.setting.echo, env: [{ name: "GREETING", value: "hello" }] }],
      },
    };
    assert.equal((await t.api.ask("POST", t.path("pods"), { body })).status, 201);
    const isReady = ({ body: pod }: Answer): boolean =>
      pod.status?.conditions?.some((c: Json) => c.type === "Ready" && c.status === "True") ?? false;
    await eventually(() => t.api.ask("GET", path()), isReady, 60_000);
  });
  after(() => t.api.ask("DELETE", path()));

  const forward = (port: number): Promise<Channels> =>
    openChannels(t.api, `${path("portforward")}?ports=${port}`, "v4.channel.k8s.io");
  const get = async (what: string): Promise<string> => {
    const channels = await forward(8080);
    channels.send(0, `GET ${what} HTTP/1.1\r\nHost: echo\r\nConnection: close\r\n\r\n`);
    const answer = await eventually(
      async () => channels.received(0).subarray(2).toString("latin1"),
      (text) => text.includes("\r\n\r\n"),
    );
    channels.close();
    return answer;
  };
  const log = (query: Record<string, string | number | boolean>): Promise<Answer> =>
    t.api.ask("GET", path("log"), { query });

  test("a forwarded port begins with its number and carries HTTP", async () => {
    const channels = await forward(8080);
    assert.equal(channels.protocol, "v4.channel.k8s.io");
    const greeting = await eventually(
      async () => [channels.received(0).length, channels.received(1).length],
      ([data = 0, errors = 0]) => data >= 2 && errors >= 2,
    );
    assert.deepEqual(greeting, [2, 2]);
    assert.equal(channels.received(0).readUInt16LE(0), 8080);
    channels.close();
    assert.match(await get("/hello?x=1"), /^HTTP\/1\.1 200 OK/);
  });

  test("a port on which nothing listens is told on the error channel", async () => {
    const channels = await forward(4);
    channels.send(0, "x");
    const told = await eventually(
      async () => channels.received(1).subarray(2).toString(),
      (text) => text.length > 0,
    );
    assert.match(told, /error forwarding port 4 to pod/);
    channels.close();
  });

  test("the log is read by its tail, with times, and followed", async () => {
    for (const i of [1, 2, 3]) await get(`/log?line=line-${i}`);
    await eventually(
      () => log({}),
      ({ body }) => body.includes("line-3"),
    );
    const lines = (await log({})).body.trimEnd().split("\n");
    assert.equal((await log({ tailLines: 1 })).body, `${lines.at(-1)}\n`);
    assert.equal((await log({ tailLines: 2 })).body, `${lines.slice(-2).join("\n")}\n`);
    assert.equal((await log({ tailLines: 0 })).body, "");
    assert.match(
      (await log({ tailLines: 1, timestamps: true })).body,
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) .*\n$/,
    );
    assert.match((await log({ sinceSeconds: 3600 })).body, /line-1/);
    const response = await t.api.open("GET", path("log"), { query: { follow: true, tailLines: 1 } });
    let text = "";
    response.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    response.on("error", () => undefined);
    await eventually(
      async () => text,
      (now) => now.includes("line-3"),
    );
    await get("/log?line=line-4");
    await eventually(
      async () => text,
      (now) => now.includes("line-4"),
    );
    assert.ok(!text.includes("line-1"));
    response.destroy();
  });

  test("a log that is not there is 400 with a reason", async () => {
    const previous = await log({ previous: true });
    assert.equal(previous.status, 400);
    assert.match(previous.body.message, /previous terminated container "echo" in pod ".*" not found/);
    const other = await log({ container: "nobody" });
    assert.equal(other.status, 400);
    assert.match(other.body.message, /container nobody is not valid for pod/);
    assert.equal((await t.api.ask("GET", t.path("pods", "missing", "log"))).status, 404);
  });

  const exec = (command: readonly string[], stdin = false): Promise<Channels> => {
    const query = new URLSearchParams({ stdout: "true", stderr: "true", stdin: String(stdin) });
    for (const word of command) query.append("command", word);
    return openChannels(t.api, `${path("exec")}?${query}`, "v5.channel.k8s.io");
  };
  const status = async (channels: Channels): Promise<Json> =>
    JSON.parse(
      await eventually(
        async () => channels.received(3).toString(),
        (text) => text.length > 0,
      ),
    );

  test("a command's output and success come on channels of their own", async () => {
    const channels = await exec(["sh", "-c", "echo out; echo err >&2; echo $GREETING"]);
    assert.equal(channels.protocol, "v5.channel.k8s.io");
    assert.equal((await status(channels)).status, "Success");
    assert.equal(channels.received(1).toString(), "out\nhello\n");
    assert.equal(channels.received(2).toString(), "err\n");
    channels.close();
  });

  test("a command that fails says with which code", async () => {
    const answer = await status(await exec(["sh", "-c", "exit 4"]));
    assert.deepEqual([answer.status, answer.reason], ["Failure", "NonZeroExitCode"]);
    assert.deepEqual(answer.details.causes, [{ reason: "ExitCode", message: "4" }]);
  });

  test("a command reads its input to the end", async () => {
    const channels = await exec(["cat"], true);
    channels.send(0, "one ");
    channels.send(0, "two");
    channels.send(255, new Uint8Array([0]));
    assert.equal((await status(channels)).status, "Success");
    assert.equal(channels.received(1).toString(), "one two");
    channels.close();
  });

  test("a deleted pod ends within its grace", async () => {
    const other = t.name("pod");
    const body = {
      metadata: { name: other },
      spec: { terminationGracePeriodSeconds: 1, containers: [t.setting.echo] },
    };
    await t.api.ask("POST", t.path("pods"), { body });
    await eventually(
      () => t.api.ask("GET", t.path("pods", other)),
      ({ body: pod }) => pod.status.phase === "Running",
      60_000,
    );
    const { body: marked } = await t.api.ask("DELETE", t.path("pods", other));
    assert.equal(marked.kind, "Pod");
    assert.equal(marked.metadata.deletionGracePeriodSeconds, 1);
    await eventually(
      () => t.api.ask("GET", t.path("pods", other)),
      ({ status: code }) => code === 404,
      60_000,
    );
  });
}
