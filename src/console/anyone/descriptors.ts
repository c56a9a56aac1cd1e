/** What the protos of services declare, to be found by name. Pure. */
import { type DescExtension, type DescFile, type DescMessage, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

export interface Descriptors {
  /** Full names, sorted. */
  readonly services: readonly string[];
  /** By the name that imports say, such as "fairlead/console/v1/app_service.proto". */
  fileNamed(name: string): DescFile | undefined;
  /** Where a service, method, message, field, oneof, enum, value or extension with this full name is declared. */
  fileOf(symbol: string): DescFile | undefined;
  fileOfExtension(message: string, number: number): DescFile | undefined;
  /** Sorted; undefined for a message that nobody knows. */
  extensionsOf(message: string): readonly number[] | undefined;
  /** The file and all that it stands on, what is stood on first. */
  closure(file: DescFile): readonly DescFile[];
  /** As a google.protobuf.FileDescriptorProto, without comments. */
  encode(file: DescFile): Uint8Array;
}

export function describeServices(services: readonly DescService[]): Descriptors {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  const messages = new Set<string>();
  const encoded = new Map<DescFile, Uint8Array>();

  for (const { file } of services) {
    for (const each of closureOf(file)) {
      if (files.has(each.proto.name)) continue;
      files.set(each.proto.name, each);
      for (const symbol of symbolsOf(each)) symbols.set(symbol, each);
      for (const message of messagesOf(each.messages)) messages.add(message.typeName);
      for (const { extendee, number } of extensionsIn(each)) {
        const numbers = extensions.get(extendee.typeName) ?? new Map<number, DescFile>();
        extensions.set(extendee.typeName, numbers.set(number, each));
      }
    }
  }

  return {
    services: services.map(({ typeName }) => typeName).sort(),
    fileNamed: (name) => files.get(name),
    fileOf: (symbol) => symbols.get(symbol),
    fileOfExtension: (message, number) => extensions.get(message)?.get(number),
    extensionsOf(message) {
      if (!messages.has(message)) return undefined;
      return [...(extensions.get(message)?.keys() ?? [])].sort((a, b) => a - b);
    },
    closure: closureOf,
    encode(file) {
      const bytes = encoded.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto);
      encoded.set(file, bytes);
      return bytes;
    },
  };
}

function closureOf(file: DescFile, found = new Set<DescFile>()): readonly DescFile[] {
  for (const each of file.dependencies) if (!found.has(each)) closureOf(each, found);
  found.add(file);
  return [...found];
}

function symbolsOf(file: DescFile): string[] {
  const messages = messagesOf(file.messages);
  const enums = [...file.enums, ...messages.flatMap((message) => message.nestedEnums)];
  const names = [
    ...file.services.flatMap(({ typeName, methods }) => [
      typeName,
      ...methods.map(({ name }) => `${typeName}.${name}`),
    ]),
    ...messages.flatMap(({ typeName, fields, oneofs }) => [
      typeName,
      ...[...fields, ...oneofs].map(({ name }) => `${typeName}.${name}`),
    ]),
    // The values of an enum are named beside it, not below.
    ...enums.flatMap(({ typeName, values }) => [
      typeName,
      ...values.map(({ name }) => [...typeName.split(".").slice(0, -1), name].join(".")),
    ]),
    ...extensionsIn(file).map(({ typeName }) => typeName),
  ];
  return names;
}

function messagesOf(messages: readonly DescMessage[]): DescMessage[] {
  return messages.flatMap((message) => [message, ...messagesOf(message.nestedMessages)]);
}

function extensionsIn(file: DescFile): DescExtension[] {
  return [...file.extensions, ...messagesOf(file.messages).flatMap((message) => message.nestedExtensions)];
}
