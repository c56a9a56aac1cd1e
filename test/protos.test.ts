import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

const root = new URL("..", import.meta.url).pathname;

const wire = `syntax = "proto3";

package fairlead.wire.v1;

message Frame {
  uint32 stream = 1;
}
`;

const consoleApi = `syntax = "proto3";

package fairlead.console.v1;

import "buf/validate/validate.proto";

service AppService {
  rpc GetApp(GetAppRequest) returns (GetAppResponse);
}

message GetAppRequest {
  string name = 1 [(buf.validate.field).string.min_len = 1];
}

message GetAppResponse {}
`;

/** A project of its own with the tools of this one and two small contracts, landed. */
function makeProject(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-protos-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ["buf.yaml", "proto/tools", "package.json"]) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(
    join(folder, "buf.gen.yaml"),
    "version: v2\ninputs: [{ directory: ., paths: [proto/fairlead] }]\nplugins: [{ local: protoc-gen-es, out: src/gen, opt: [target=ts] }]\n",
  );
  const write = (path: string, text: string): void => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  write("test/proto/buf.yaml", "version: v2\n");
  write(
    "test/proto/buf.gen.yaml",
    "version: v2\ninputs: [{ directory: test/proto }]\nplugins: [{ local: protoc-gen-es, out: test/gen }]\n",
  );
  write("test/proto/fairlead/test/v1/a.proto", 'syntax = "proto3";\n\npackage fairlead.test.v1;\n\nmessage A {}\n');
  const tool = (name: string, ...args: string[]) => {
    const path = `${join(root, "node_modules/.bin")}:${process.env.PATH}`;
    const command = [join(folder, "proto/tools", name), ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, PATH: path },
    });
    return { status, output: stdout + stderr };
  };
  write("proto/fairlead/wire/v1/frame.proto", wire);
  write("proto/fairlead/console/v1/app_service.proto", consoleApi);
  assert.equal(tool("print-validate.ts").status, 0);
  return { folder, write, tool };
}

test("what has landed may be renamed between agents, and nowhere be given another meaning", (t) => {
  const { write, tool } = makeProject(t);
  const missing = tool("check-breaking.ts");
  assert.equal(missing.status, 1);
  assert.match(missing.output, /make land-protos/);
  assert.equal(tool("check-breaking.ts", "--land").status, 0);

  write("proto/fairlead/wire/v1/frame.proto", wire.replace("stream = 1", "stream_id = 1"));
  assert.deepEqual(tool("check-breaking.ts"), { status: 0, output: "" });
  write("proto/fairlead/wire/v1/frame.proto", wire.replace("uint32", "string"));
  assert.match(tool("check-breaking.ts").output, /changed type from "uint32" to "string"/);
  write("proto/fairlead/wire/v1/frame.proto", wire);

  write("proto/fairlead/console/v1/app_service.proto", consoleApi.replace("string name", "string app_name"));
  assert.match(tool("check-breaking.ts").output, /changed name from "name" to "app_name"/);
  write("proto/fairlead/console/v1/app_service.proto", consoleApi.replace(/ {2}rpc .*\n/, ""));
  assert.match(tool("check-breaking.ts").output, /GetApp/);
  write("proto/fairlead/console/v1/app_service.proto", `${consoleApi}\nmessage Added {}\n`);
  assert.equal(tool("check-breaking.ts").status, 0);
});

test("generated code that is out of date is named, and brought up to date without what is stale", (t) => {
  const { folder, write, tool } = makeProject(t);
  assert.equal(tool("generate.ts").status, 0);
  assert.equal(tool("generate.ts", "--check").status, 0);
  write("proto/fairlead/wire/v1/frame.proto", wire.replace("uint32", "string"));
  write("src/gen/fairlead/wire/v1/gone_pb.ts", "");
  const { status, output } = tool("generate.ts", "--check");
  assert.equal(status, 1);
  assert.match(
    output,
    /out of date: src\/gen\/fairlead\/wire\/v1\/frame_pb\.ts\nout of date: src\/gen\/fairlead\/wire\/v1\/gone_pb\.ts/,
  );
  assert.equal(tool("generate.ts").status, 0);
  assert.equal(existsSync(join(folder, "src/gen/fairlead/wire/v1/gone_pb.ts")), false);
  assert.equal(tool("generate.ts", "--check").status, 0);
});
