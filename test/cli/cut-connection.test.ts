/** The connection between the command line and its agent is cut while something runs: it goes on as if nothing had been. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { after, before, suite, test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { type CutProxy, openCutProxy } from "../e2e/cut-proxy.ts";
import { until } from "../patience.ts";
import { allowPods, start, startWorldWithWeb, type World } from "./world.ts";

suite("a cut connection to the agent", () => {
  let world: World;
  let way: CutProxy;
  before(async () => {
    world = await startWorldWithWeb();
    await allowPods(world.berlin, "lisbon");
    way = await openCutProxy({ host: "127.0.0.1", port: Number(new URL(world.lisbon.consoleUrl).port) });
  });
  after(async () => {
    way.close();
    await world[Symbol.asyncDispose]();
  });

  const onTheWay = (...args: string[]): string[] => ["--server", `http://127.0.0.1:${way.port}`, "app", ...args];

  test("loses and doubles nothing of what a program is given and prints, and tells its exit code", async () => {
    const line = (number: number): string => `${number} ${"x".repeat(100)}\n`;
    const lines = Array.from({ length: 20_000 }, (_, number) => line(number)).join("");
    const running = start(world.lisbon, onTheWay("exec", "-i", "web", "--", "sh", "-c", "cat; exit 9"), {
      keyboard: {
        isTerminal: false,
        async *read() {
          const bytes = Buffer.from(lines);
          const step = Math.ceil(bytes.length / 8);
          for (let at = 0; at < bytes.length; at += step) {
            yield bytes.subarray(at, at + step);
            await running.until((out) => out.length > at);
            await until("there is a connection to cut", () => way.cut() > 0);
          }
        },
        raw: () => () => {},
        size: () => undefined,
        onResize: () => () => {},
      },
    });
    const { code, out, err } = await running.ended;
    assert.equal(code, 9, err);
    assert.equal(out.length, lines.length);
    assert.equal(digest(out), digest(lines));
  });

  test("ends no watch, which says so and hears what came meanwhile", async () => {
    const watch = start(world.lisbon, onTheWay("list", "--watch"));
    await watch.until((out) => /^web /m.test(out));
    await until("there is a connection to cut", () => way.cut() > 0);
    await watch.until(() => watch.err().includes("lost touch with the agent"));
    const ref = { namespace: "default", name: "meanwhile" };
    await world.lisbon.client.apps.deployApp({ ref, spec: { peer: "nobody", image: "fairlead.dev/echo:1" } });
    await watch.until((out) => /^meanwhile /m.test(out));
    await world.lisbon.client.apps.deleteApp({ ref });
    await watch.until(() => watch.err().includes("meanwhile is gone"));
    watch.interrupt();
    assert.equal((await watch.ended).code, exitCode.interrupted);
    assert.equal(watch.out().match(/^web /gm)?.length, 1, "what it knew was not told again");
  });

  test("breaks no connection of a port-forward", async () => {
    const running = start(world.lisbon, onTheWay("port-forward", "web", ":8080"));
    await running.until((out) => out.includes("is web"));
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(running.out())?.[1]);
    const socket = connect(port, "127.0.0.1");
    let answered = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answered += text;
    });
    for (let round = 1; round <= 5; round += 1) {
      socket.write("GET /healthz HTTP/1.1\r\nhost: web\r\n\r\n");
      await until(`answer ${round} on the one connection`, () => answered.split("HTTP/1.1 200").length === round + 1);
      await until("there is a connection to cut", () => way.cut() > 0);
    }
    socket.destroy();
    running.interrupt();
    assert.equal((await running.ended).code, exitCode.interrupted);
    assert.equal(running.err(), "");
  });
});

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
