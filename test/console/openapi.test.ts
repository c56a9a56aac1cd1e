/** The API as a document: served to anybody, whole, and true to the protos. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { DescService } from "@bufbuild/protobuf";
import { parse } from "yaml";
import { startConsole } from "./console-world.ts";
import { connectHttp2 } from "./http2-client.ts";

const file = new URL("../../src/gen/openapi/openapi.yaml", import.meta.url);

describe("the OpenAPI document", () => {
  test("is served to anybody over HTTP/1.1 and HTTP/2, and again only when it has changed", async () => {
    await using world = await startConsole();
    const text = readFileSync(file, "utf8");
    const over1 = await world.ask("/openapi.yaml");
    assert.deepEqual([over1.status, over1.headers["content-type"]], [200, "application/yaml; charset=utf-8"]);
    assert.equal(over1.text, text);
    const { etag } = over1.headers;
    assert.ok(etag);
    const again = await world.ask("/openapi.yaml", { headers: { "if-none-match": etag } });
    assert.deepEqual([again.status, again.text], [304, ""]);
    await using http2 = await connectHttp2(`http://127.0.0.1:${world.port}`);
    const over2 = await http2.ask("/openapi.yaml");
    assert.equal(String(over2.body), text);
    for (const { headers } of [over1, over2]) {
      assert.equal(headers["x-content-type-options"], "nosniff");
      assert.match(String(headers["content-security-policy"]), /default-src 'none'/);
    }
  });

  test("has each call that has one request, and names the others", async () => {
    const document = parse(readFileSync(file, "utf8"));
    const services = await declaredServices();
    const paths = Object.keys(document.paths);
    for (const method of services.flatMap((service) => service.methods)) {
      const path = `/${method.parent.typeName}/${method.name}`;
      const isTold = method.methodKind === "unary" || method.methodKind === "server_streaming";
      assert.equal(paths.includes(path), isTold, path);
      if (!isTold) assert.ok(document.info.description.includes(path.slice(1)), path);
    }
    const operations = paths.map((path) => document.paths[path].post?.operationId).filter(Boolean);
    assert.ok(operations.length > 40);
    assert.equal(new Set(operations).size, operations.length);
  });

  test("refers to nothing that it does not have", () => {
    const document = parse(readFileSync(file, "utf8"));
    const missing: string[] = [];
    const visit = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      if ("$ref" in value && typeof value.$ref === "string") {
        const [, ...steps] = value.$ref.split("/");
        if (steps.reduce((at, step) => at?.[step], document) === undefined) missing.push(value.$ref);
      }
      Object.values(value).forEach(visit);
    };
    visit(document);
    assert.deepEqual(missing, []);
  });
});

/** Of the console's API, as its protos have them. */
async function declaredServices(): Promise<DescService[]> {
  const folder = new URL("../../src/gen/fairlead/console/v1/", import.meta.url);
  const found: DescService[] = [];
  for (const name of globSync("*_service_pb.ts", { cwd: folder.pathname })) {
    const declared: Record<string, { kind?: string }> = await import(new URL(name, folder).href);
    for (const each of Object.values(declared)) if (each.kind === "service") found.push(each as DescService);
  }
  assert.ok(found.length >= 12);
  return found;
}
