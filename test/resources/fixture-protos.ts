/** The protos of the fixtures beside this, with ours and those that they stand on. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createFileRegistry, type FileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const root = new URL("../..", import.meta.url).pathname;

export function readFixtureProtos(): FileRegistry {
  if (!existsSync(`${root}.cache/proto/buf`)) {
    execFileSync(process.execPath, ["proto/tools/print-validate.ts"], { cwd: root });
  }
  const modules = ["proto", ".cache/proto", "test/resources/fixtures"].map((path) => ({ path }));
  const config = JSON.stringify({ version: "v2", modules });
  const args = ["build", "--as-file-descriptor-set", "--config", config, "-o", "-"];
  const bytes = execFileSync(`${root}node_modules/.bin/buf`, args, { cwd: root, maxBuffer: 64 << 20 });
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
}
