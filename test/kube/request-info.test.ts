import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { readRequest } from "../../src/kube/request-info.ts";
import { describeRequest } from "../../src/policy/kubernetes.ts";

/** What is asked, in words; what is refused, as "-". */
function ask(line: string): string {
  const [method = "", target = ""] = line.split(" ");
  const read = readRequest(method, target);
  if (!read.ok) return "-";
  const { info } = read;
  return info.kind === "resource" && info.name !== ""
    ? `${describeRequest(info)} (${info.name})`
    : describeRequest(info);
}

describe("what a request asks of the Kubernetes API", () => {
  for (const [line, expected] of [
    ["GET /api/v1/pods", "list pods"],
    ["HEAD /api/v1/namespaces/shop/pods/web", "get pods in shop (web)"],
    ["GET /api/v1/namespaces/shop/pods?watch", "watch pods in shop"],
    ["GET /api/v1/namespaces/shop/pods?watch=1&limit=5", "watch pods in shop"],
    ["GET /api/v1/namespaces/shop/pods?watch=FALSE", "list pods in shop"],
    ["GET /api/v1/namespaces/shop/pods/web?watch=1", "get pods in shop (web)"],
    ["GET /api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Dweb", "list pods in shop (web)"],
    ["GET /api/v1/namespaces/shop/pods/web/log?follow=true", "get pods/log in shop (web)"],
    ["POST /api/v1/namespaces/shop/pods/web/exec?command=sh", "create pods/exec in shop (web)"],
    ["GET /api/v1/namespaces/shop/pods/web/exec", "get pods/exec in shop (web)"],
    ["DELETE /api/v1/namespaces/shop/pods", "deletecollection pods in shop"],
    ["DELETE /api/v1/namespaces/shop/pods/web", "delete pods in shop (web)"],
    ["PUT /apis/apps/v1/namespaces/shop/deployments/web/scale", "update deployments/scale.apps in shop (web)"],
    ["PATCH /apis/apps/v1/namespaces/shop/deployments/web", "patch deployments.apps in shop (web)"],
    ["GET /api/v1/namespaces", "list namespaces"],
    ["GET /api/v1/namespaces/shop", "get namespaces in shop (shop)"],
    ["PUT /api/v1/namespaces/shop/finalize", "update namespaces/finalize in shop (shop)"],
    ["GET /api/v1/namespaces/shop/status", "get namespaces/status in shop (shop)"],
    ["GET /api/v1/watch/namespaces/shop/pods", "watch pods in shop"],
    ["GET /api/v1/proxy/namespaces/shop/services/web", "proxy services in shop (web)"],
    ["GET /api/v1/nodes/n1/proxy/metrics", "get nodes/proxy (n1)"],
    ["GET /api/v1/namespaces/shop/services/http:web:80/proxy/a//b%2Fc?x=1", "get services/proxy in shop (http:web:80)"],
    ["GET /api/v1/pods/", "list pods"],
    ["GET /apis", "get /apis"],
    ["GET /apis/apps/v1", "get /apis/apps/v1"],
    ["GET /", "get /"],
    ["GET /version", "get /version"],
    ["GET /metrics", "get /metrics"],
    ["OPTIONS /api/v1/pods", "ask for pods"],
    // What two readers could take for two things.
    ["GET //api/v1/pods", "-"],
    ["GET /api//v1/pods", "-"],
    ["GET /api/v1/../v1/pods", "-"],
    ["GET /api/v1/%2e%2e/pods", "-"],
    ["GET /api/v1/%252e%252e/pods", "-"],
    ["GET /api/v1/./pods", "-"],
    ["GET /api/v1/namespaces/shop/pods%2fweb%2fexec", "-"],
    ["GET /api/v1/namespaces/proxy/pods%2fweb%2fexec", "-"],
    ["GET /api/v1/namespaces/proxy//pods", "-"],
    ["GET /api/v1/proxy/x//pods", "-"],
    ["GET /api/v1/namespaces/shop/pods/web%252fexec", "-"],
    ["GET /api/v1/watch/pods/proxy//x", "-"],
    ["GET /api/v1/pods%00", "-"],
    ["GET /api/v1/pods%", "-"],
    ["GET /api/v1\\pods", "-"],
    ["GET /api/v1/pods#x", "-"],
    ["GET http://elsewhere/api/v1/pods", "-"],
    ["GET *", "-"],
    ["GET /api/v1/nodes/n1/proxy/../../secrets", "-"],
    ["GET /api/v1/nodes/n1/proxy/..%2f..%2fsecrets", "-"],
    ["GET /api/v1/nodes/n1/proxy/%252e%252e/x", "-"],
    ["GET /api/v1/namespaces/shop/pods?watch=true;limit=1", "-"],
    ["GET /api/v1/namespaces/shop/pods?watch=%zz", "-"],
    ["GET /api/v1/watch", "-"],
  ] as const) {
    test(`${line} is ${expected}`, () => assert.equal(ask(line), expected));
  }

  test("no spelling of a path is read as less than what stands in it, and none breaks the reader", () => {
    const piece = fc.constantFrom(
      "api",
      "apis",
      "v1",
      "apps",
      "namespaces",
      "shop",
      "pods",
      "exec",
      "proxy",
      "watch",
      "..",
      "%2e%2e",
      "%2f",
      "",
      "a%2Fb",
      "x",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
        const written = `/${pieces.join("/")}`;
        const read = readRequest("GET", written);
        if (!read.ok || read.info.kind === "path") return;
        // As Go splits the decoded path, whatever it holds.
        const decoded = decodeURIComponent(written)
          .replace(/^\/+|\/+$/g, "")
          .split("/");
        const { resource, subresource, name, namespace } = read.info;
        for (const part of [resource, subresource, name, namespace])
          assert.ok(part === "" || decoded.includes(part), part);
        const at = decoded.indexOf("proxy");
        const strict = at < 0 ? decoded : decoded.slice(0, at);
        assert.ok(!strict.includes("..") && !strict.includes(""), written);
      }),
      { numRuns: 2_000 },
    );
  });
});
