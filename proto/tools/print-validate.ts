/**
 * Writes `.cache/proto/buf/validate/validate.proto`, which our protos import, so that buf finds it without a registry.
 * It is printed from the descriptor inside `@bufbuild/protovalidate`, so both are always of one version. Options and
 * comments are left out: the rules are evaluated by that package, never by this copy.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { DescEnum, DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Label as Label, FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate as file } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

const target = new URL("../../.cache/proto/buf/validate/validate.proto", import.meta.url).pathname;
const text = `${[
  "// Printed from @bufbuild/protovalidate by proto/tools/print-validate.ts.",
  'syntax = "proto2";',
  "package buf.validate;",
  ...file.dependencies.map((dependency) => `import "${dependency.name}.proto";`),
  ...file.extensions.map((extension) => `extend ${extension.extendee.typeName} { ${printField(extension)} }`),
  ...file.enums.map(printEnum),
  ...file.messages.map(printMessage),
].join("\n")}\n`;

// A file that is rewritten with the same bytes would look changed to make.
if (!isCurrent()) {
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
}

function isCurrent(): boolean {
  try {
    return readFileSync(target, "utf8") === text;
  } catch {
    return false; // Not there yet; a folder that cannot be written is told of by the write.
  }
}

function printMessage(message: DescMessage): string {
  const { proto } = message;
  return block(`message ${message.name}`, [
    ...message.members.map((member) => (member.kind === "oneof" ? printOneof(member) : printField(member))),
    ...proto.reservedRange.map((range) => `reserved ${range.start} to ${range.end - 1};`),
    ...proto.reservedName.map((name) => `reserved "${name}";`),
    ...proto.extensionRange.map((range) => `extensions ${range.start} to ${range.end - 1};`),
    ...message.nestedEnums.map(printEnum),
    ...message.nestedMessages.map(printMessage),
  ]);
}

function printOneof(oneof: DescOneof): string {
  return block(
    `oneof ${oneof.name}`,
    oneof.fields.map((field) => printField(field, true)),
  );
}

function printField(field: Pick<DescField, "name" | "number" | "proto">, inOneof = false): string {
  const { label, type, typeName } = field.proto;
  const labelText = inOneof ? "" : `${Label[label].toLowerCase()} `;
  const typeText = typeName === "" ? Type[type].toLowerCase() : typeName;
  return `${labelText}${typeText} ${field.name} = ${field.number};`;
}

function printEnum(desc: DescEnum): string {
  return block(`enum ${desc.name}`, [
    ...desc.values.map((value) => `${value.name} = ${value.number};`),
    ...desc.proto.reservedRange.map((range) => `reserved ${range.start} to ${range.end};`),
    ...desc.proto.reservedName.map((name) => `reserved "${name}";`),
  ]);
}

function block(head: string, lines: string[]): string {
  return `${head} {\n${lines.map((line) => `${line}\n`).join("")}}`;
}
