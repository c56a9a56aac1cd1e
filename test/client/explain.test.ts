import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { createValidateInterceptor } from "@connectrpc/validate";
import { explainError } from "../../src/client/explain.ts";
import { Role } from "../../src/gen/fairlead/console/v1/access_pb.ts";
import { AppService } from "../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { PermissionMissingSchema, RetryAfterSchema } from "../../src/gen/fairlead/console/v1/error_pb.ts";

suite("what a failure says to a program", () => {
  test("names each field that breaks a rule, as JSON has it, and the rule", async () => {
    const transport = createRouterTransport(({ service }) => void service(AppService, {}), {
      router: { interceptors: [createValidateInterceptor()] },
    });
    const apps = createClient(AppService, transport);
    const error = await apps
      .checkApp({ ref: { namespace: "Wrong", name: "web" }, spec: { image: "nginx", ports: [{ containerPort: 0 }] } })
      .catch(explainError);
    assert.ok("violations" in error);
    assert.equal(error.code, Code.InvalidArgument);
    const told = error.violations.map(({ field, rule }) => `${field} ${rule}`);
    assert.ok(told.includes("ref.namespace string.pattern"), told.join("; "));
    assert.ok(
      told.some((each) => each.startsWith("spec.ports[0].containerPort ")),
      told.join("; "),
    );
    assert.ok(error.violations.every(({ message }) => message !== ""));
    assert.equal(error.isWorthRetrying, false);
  });

  test("tells what the caller lacks, and who can give it", () => {
    const value = create(PermissionMissingSchema, { what: "x/Y", role: Role.ADMIN, givenBy: ["grace"] });
    const error = new ConnectError("no", Code.PermissionDenied, undefined, [{ desc: PermissionMissingSchema, value }]);
    const { missing, message, violations } = explainError(error);
    assert.deepEqual([missing?.role, missing?.givenBy, message, violations], [Role.ADMIN, ["grace"], "no", []]);
  });

  test("tells when it is worth to try again", () => {
    const value = create(RetryAfterSchema, { seconds: 1.5 });
    const slow = new ConnectError("slower", Code.ResourceExhausted, undefined, [{ desc: RetryAfterSchema, value }]);
    assert.deepEqual([explainError(slow).retryAfter, explainError(slow).isWorthRetrying], [1.5, true]);
    const gone = explainError(new ConnectError("gone", Code.NotFound));
    assert.deepEqual([gone.retryAfter, gone.isWorthRetrying], [undefined, false]);
    assert.equal(explainError(new ConnectError("later", Code.Unavailable)).isWorthRetrying, true);
  });

  test("is there of whatever is thrown", () => {
    assert.equal(explainError(new Error("a defect")).code, Code.Unknown);
    assert.equal(explainError(new DOMException("left", "AbortError")).code, Code.Canceled);
    assert.equal(explainError("text").message, "text");
  });
});
