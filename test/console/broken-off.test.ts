import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { describe, test } from "node:test";
import { until } from "../patience.ts";
import { bearer, startConsole } from "./console-world.ts";

describe("HTTP through the path door", () => {
  test("breaks a request off that its client broke off, with or without a length, so that half of it never looks whole", async () => {
    await using world = await startConsole();
    const broken: (string | undefined)[] = [];
    let half = false;
    await world.run("web", (req) => {
      req.on("data", () => {
        half = true;
      });
      req.on("end", () => broken.push("looked whole"));
      req.on("error", (error: NodeJS.ErrnoException) => broken.push(`${error.code} ${req.complete}`));
    });
    for (const length of ["1000", undefined]) {
      half = false;
      const req = request({
        port: world.port,
        host: "127.0.0.1",
        path: "/apps/shop/web/http/upload",
        method: "POST",
        headers: { ...bearer, ...(length && { "content-length": length }) },
        agent: false,
      });
      req.on("error", () => undefined);
      req.write("half");
      await until("half of it is there", () => half);
      req.destroy();
      await until("the app notices", () => broken.length > 0);
      assert.deepEqual(broken.splice(0), ["ECONNRESET false"]);
    }
  });

  test("breaks an answer off that the app broke off, with or without a length, and when the link goes", async () => {
    await using world = await startConsole();
    await world.run("web", (req, res) => {
      if (req.url === "/length") res.setHeader("content-length", 1000);
      res.write("half");
      if (req.url !== "/hang") setImmediate(() => req.socket.destroy());
    });
    for (const path of ["/length", "/chunked", "/hang"]) {
      const options = {
        port: world.port,
        host: "127.0.0.1",
        path: `/apps/shop/web/http${path}`,
        headers: bearer,
        agent: false,
      };
      const req = request(options).end();
      const [res] = (await once(req, "response")) as [IncomingMessage];
      if (path === "/hang") {
        await once(res, "data");
        world.agents.originSession.close({ reason: 51, message: "cut" });
      }
      await assert.rejects(res.toArray(), { code: "ECONNRESET" }, path);
      assert.equal(res.complete, false);
    }
  });
});
