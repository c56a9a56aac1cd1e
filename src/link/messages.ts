/** Largest message that is sent or taken, in bytes: what a stranger can make this end hold. */
export const maxMessageBytes = 65_536;

/** Neighbours that fit together within this become one message: copying them costs less than a message does. Bytes. */
const mergeBytes = 16_384;

/** The bytes of `chunks`, in order, as few messages: small neighbours merged, large chunks split without a copy. */
export function packMessages(chunks: readonly Buffer[]): Buffer[] {
  const messages: Buffer[] = [];
  let small: Buffer[] = [];
  let smallBytes = 0;
  const flush = (): void => {
    const [only] = small;
    if (only) messages.push(small.length === 1 ? only : Buffer.concat(small, smallBytes));
    small = [];
    smallBytes = 0;
  };
  for (const chunk of chunks) {
    if (smallBytes + chunk.length > mergeBytes) flush();
    if (chunk.length > mergeBytes) {
      for (let at = 0; at < chunk.length; at += maxMessageBytes)
        messages.push(chunk.subarray(at, at + maxMessageBytes));
    } else if (chunk.length > 0) {
      small.push(chunk);
      smallBytes += chunk.length;
    }
  }
  flush();
  return messages;
}
