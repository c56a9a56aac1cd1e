/** `exec` with a terminal: what is typed is echoed, its size is told and changes, and ^C ends a command. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually, type Json } from "./api.ts";
import type { Context } from "./suite.ts";
import { type Channels, openChannels } from "./web-socket.ts";

export function terminalTests(t: Context): void {
  let path = "";
  before(async () => {
    const name = t.name("shell");
    path = t.path("pods", name);
    const main = { name: "main", image: t.setting.shell, command: ["sh", "-c", "sleep 600"] };
    const body = { metadata: { name }, spec: { terminationGracePeriodSeconds: 0, containers: [main] } };
    assert.equal((await t.api.ask("POST", t.path("pods"), { body })).status, 201);
    await eventually(
      () => t.api.ask("GET", path),
      ({ body: pod }) => pod.status?.containerStatuses?.[0]?.started === true,
      60_000,
    );
  });
  after(() => t.api.ask("DELETE", path));

  const exec = (command: readonly string[], more: Record<string, string> = {}): Promise<Channels> => {
    const query = new URLSearchParams({ stdin: "true", stdout: "true", tty: "true", ...more });
    for (const word of command) query.append("command", word);
    return openChannels(t.api, `${path}/exec?${query}`, "v5.channel.k8s.io");
  };
  const shown = (channels: Channels, text: string | RegExp): Promise<string> =>
    eventually(
      async () => channels.received(1).toString(),
      (now) => (typeof text === "string" ? now.includes(text) : text.test(now)),
    );
  const status = async (channels: Channels): Promise<Json> =>
    JSON.parse(
      await eventually(
        async () => channels.received(3).toString(),
        (text) => text.length > 0,
      ),
    );

  test("a shell echoes what is typed, ends lines with a carriage return, and exits with its code", async () => {
    const channels = await exec(["sh"]);
    channels.send(0, "echo one-$((1))two\n".replace("$((1))", "''"));
    await shown(channels, /echo one-''two\r\n[\s\S]*one-two\r\n/);
    channels.send(0, "exit 5\n");
    assert.deepEqual((await status(channels)).details.causes, [{ reason: "ExitCode", message: "5" }]);
    channels.close();
  });

  test("the terminal has the size that the client tells, also when it changes", async () => {
    const channels = await exec(["sh"]);
    for (const [rows, columns] of [
      [40, 100],
      [50, 132],
    ]) {
      channels.send(4, JSON.stringify({ Width: columns, Height: rows }));
      // The size is told on a channel of its own: when the shell has it is not said.
      await eventually(
        async () => {
          channels.send(0, "stty size\n");
          await new Promise((resolve) => setTimeout(resolve, 50));
          return channels.received(1).toString();
        },
        (now) => now.includes(`${rows} ${columns}\r\n`),
      );
    }
    channels.close();
  });

  test("^C ends the command and not the shell, and ^D ends the shell", async () => {
    const channels = await exec(["sh"]);
    channels.send(0, "echo be''gin; sleep 600\n");
    await shown(channels, "begin\r\n");
    channels.send(0, "\x03");
    await shown(channels, "^C");
    channels.send(0, "echo still-''there\n");
    await shown(channels, "still-there\r\n");
    channels.send(0, "\x04");
    await status(channels);
    channels.close();
  });

  test("without a terminal there is none", async () => {
    const channels = await exec(["sh", "-c", "tty || echo none"], { tty: "false" });
    assert.equal((await status(channels)).status, "Success");
    assert.match(channels.received(1).toString(), /none\n$/);
    channels.close();
  });
}
