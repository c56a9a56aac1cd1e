/** The first of several messages, and an iteration over the others. Leaving that leaves the messages. */
export async function firstOf<T>(
  messages: AsyncIterable<T>,
): Promise<{ first: T | undefined; rest: AsyncIterable<T> }> {
  const iterator = messages[Symbol.asyncIterator]();
  const { done, value } = await iterator.next();
  return { first: done ? undefined : value, rest: { [Symbol.asyncIterator]: () => iterator } };
}
