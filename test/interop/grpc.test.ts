/** gRPC as Go has it, at both ends of a door: client and app are of a library that nobody here wrote. Over TLS, as it wants it for HTTP/2. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { promisify } from "node:util";
import type { AppView } from "../../src/console/doors/app-view.ts";
import { authority, startConsole, token } from "../console/console-world.ts";
import { goProgram } from "../e2e/clients.ts";
import { until } from "../patience.ts";

const claims = [
  "one message for one, with trailers",
  "many messages for one",
  "one message for many",
  "messages both ways in turns",
  "a status of the app's",
  "a deadline that passes",
  "the app's health",
];

test("grpc-go makes every kind of call at an app's host, and probes its health", { timeout: 600_000 }, async (t) => {
  const program = await goProgram("grpc", new URL("go", import.meta.url).pathname);
  const folder = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await using world = await startConsole({ domain: "apps.example" });
  const app = spawn(program, ["serve"], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => void app.kill());
  const [line] = await once(createInterface(app.stdout), "line");
  const ports = [{ name: "grpc", number: Number(line), appProtocol: "h2c" }];
  world.agents.offer("orders", Number(line), { ports });
  const view: AppView = { namespace: "shop", name: "orders", uid: "uid-orders", peer: "there", ports };
  world.show({ ...view, door: { access: "Token" } });
  const ca = join(folder, "ca.pem");
  await writeFile(ca, authority.certPem);
  const call = (withToken: string) => {
    const args = ["call", `127.0.0.1:${world.port}`, ca, "orders-shop-grpc.apps.example", withToken];
    return promisify(execFile)(program, args, { timeout: 120_000 });
  };

  await t.test("with a token of the console, which the app does not see", async () => {
    const { stdout } = await call(token);
    assert.deepEqual(stdout.trim().split("\n"), claims);
  });
  await t.test("without one it is told that nobody knows it, in gRPC's own words", async () => {
    await assert.rejects(call(""), /one message for one, with trailers: .*code = Unauthenticated/);
  });
  await t.test("and nothing of what it broke off is left at the host", async () => {
    await until("its connections are gone", () => world.agents.host.exit.size === 0);
  });
});
