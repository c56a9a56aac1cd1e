import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { FieldPathElementSchema, ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import type { Connection } from "../../src/cli/context.ts";
import { CliError, exitCode, toCliError } from "../../src/cli/errors.ts";
import { explainUnreachable } from "../../src/cli/unreachable.ts";
import { createFairleadClient } from "../../src/client/index.ts";
import { RetryAfterSchema } from "../../src/gen/fairlead/console/v1/error_pb.ts";
import { run } from "./world.ts";

/** An agent that serves nothing: whoever calls it finds out that the mistake was not seen before. */
const nobody: Connection = {
  client: createFairleadClient({ transport: createRouterTransport(() => {}) }),
  namespace: "default",
  address: "nowhere",
  openSession: () => Promise.reject(new Error("nobody is there")),
  close() {},
};

suite("failures of a call", () => {
  for (const [code, exit] of [
    [Code.InvalidArgument, exitCode.usage],
    [Code.NotFound, exitCode.notFound],
    [Code.Unauthenticated, exitCode.denied],
    [Code.PermissionDenied, exitCode.denied],
    [Code.Unavailable, exitCode.unavailable],
    [Code.DeadlineExceeded, exitCode.timeout],
    [Code.Unimplemented, exitCode.failed],
    [Code.FailedPrecondition, exitCode.failed],
    [Code.Internal, exitCode.failed],
  ] as const) {
    test(`${Code[code]} ends with ${exit}`, () => {
      const failure = toCliError(new ConnectError("because", code), false);
      assert.equal(failure.code, exit);
      assert.equal(failure.message, "because");
    });
  }

  test("says when to try again, if the agent does", () => {
    const later = (code: Code) =>
      toCliError(
        new ConnectError("later", code, undefined, [{ desc: RetryAfterSchema, value: { seconds: 1.2 } }]),
        false,
      );
    assert.equal(later(Code.ResourceExhausted).hint, "try again in 2 s");
    assert.equal(later(Code.Unavailable).hint, "try again in 2 s; fairlead peer list");
    assert.equal(toCliError(new ConnectError("full", Code.ResourceExhausted), false).hint, undefined);
  });

  test("any failure after Ctrl-C is the interruption", () => {
    assert.equal(toCliError(new ConnectError("cancelled", Code.Canceled), true).code, exitCode.interrupted);
  });

  test("what the maker of a connection said is told, however it is wrapped", () => {
    const said = new CliError("there is no Service fairlead", { code: exitCode.unavailable, hint: "try this" });
    const wrapped = new ConnectError("internal", Code.Internal, undefined, undefined, new Error("x", { cause: said }));
    assert.equal(toCliError(wrapped, false), said);
  });

  test("violations are told one a line, with the names that manifests have", () => {
    const violations = create(ViolationsSchema, {
      violations: [
        {
          message: "must be a port",
          field: {
            elements: [
              create(FieldPathElementSchema, { fieldName: "spec" }),
              create(FieldPathElementSchema, { fieldName: "ports", subscript: { case: "index", value: 2n } }),
              create(FieldPathElementSchema, { fieldName: "container_port" }),
            ],
          },
        },
        {
          message: "does not match regex pattern `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`",
          field: {
            elements: [
              create(FieldPathElementSchema, { fieldName: "ref" }),
              create(FieldPathElementSchema, { fieldName: "name" }),
            ],
          },
        },
      ],
    });
    const error = new ConnectError("x", Code.InvalidArgument, undefined, [
      { desc: ViolationsSchema, value: violations },
    ]);
    assert.equal(
      toCliError(error, false).message,
      'spec.ports[2].containerPort: must be a port\nmetadata.name: must be small letters, digits and "-", with a letter or digit at both ends',
    );
  });

  test("an address at which nobody listens is named", () => {
    const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const error = new ConnectError("connect ECONNREFUSED", Code.Unavailable, undefined, undefined, refused);
    const explained = explainUnreachable(error, "http://localhost:8000");
    assert.ok(explained instanceof CliError);
    assert.equal(explained.message, "the agent at http://localhost:8000 cannot be reached: nothing listens there");
    assert.equal(explained.code, exitCode.unavailable);
  });

  test("a server that is no agent is called so", () => {
    const explained = explainUnreachable(new ConnectError("HTTP 404", Code.Unimplemented), "http://localhost:8002");
    assert.match(String(explained), /what answers at http:\/\/localhost:8002 is no Fairlead console \(HTTP 404\)/);
  });

  test("what an agent itself says is left as it is", () => {
    const error = new ConnectError("berlin is away", Code.Unavailable);
    assert.equal(explainUnreachable(error, "x"), error);
  });
});

suite("failures of a command line", () => {
  for (const [args, says] of [
    [["foo"], /unknown command 'foo'/],
    [["app", "lst"], /Did you mean one of list, ls\?/],
    [["app", "get"], /missing required argument 'name'/],
    [["app", "scale", "shop"], /required option '--replicas <count>' not specified/],
    [["app", "scale", "shop", "--replicas", "many"], /It must be a whole number from 0 to 1000/],
    [["app", "list", "-o", "xml"], /table, wide, json, yaml, name/],
    [["app", "list", "--wacth"], /Did you mean --watch\?/],
    [["peer", "label", "berlin", "a"], /"a" is not NAME=VALUE/],
    [["peer", "remove", "berlin"], /--keep-workloads, or --delete-workloads/],
    [["orphan", "delete", "shop"], /NAMESPACE\/WORKLOAD/],
    [["invite", "--for", "soon"], /as in "24h", "90m" or "7d"/],
    [["app", "deploy", "-f", "x.yaml", "shop"], /either -f or a name with options/],
  ] as const) {
    test(`fairlead ${args.join(" ")} ends with 2 and says what is expected`, async () => {
      const { code, err } = await run(undefined, args, { connect: async () => nobody });
      assert.match(err, says);
      assert.equal(code, exitCode.usage);
    });
  }

  test("help that was asked for goes to standard output and is no failure", async () => {
    const { code, out, err } = await run(undefined, ["app", "deploy", "--help"]);
    assert.equal(code, 0);
    assert.match(out, /Usage: fairlead app deploy/);
    assert.equal(err, "");
  });

  test("an error message with control characters is shown without them", async () => {
    const connect = (): Promise<never> => Promise.reject(new CliError("a\u001b[2Jb\u0007"));
    const { code, err } = await run(undefined, ["peer", "list"], { connect });
    assert.equal(code, exitCode.failed);
    assert.equal(err, "error: ab \n");
  });
});
