/** How the suite's runner and a program under test talk: messages with their length in four bytes before each. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";

/** Each message on standard input, until it ends. */
export async function* readMessages<T extends DescMessage>(schema: T): AsyncGenerator<MessageShape<T>> {
  let buffer = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 4) {
      const end = 4 + buffer.readUInt32BE(0);
      if (buffer.length < end) break;
      yield fromBinary(schema, buffer.subarray(4, end));
      buffer = buffer.subarray(end);
    }
  }
}

export function writeMessage<T extends DescMessage>(schema: T, message: MessageInitShape<T>): void {
  const bytes = toBinary(schema, create(schema, message));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  process.stdout.write(Buffer.concat([length, bytes]));
}
