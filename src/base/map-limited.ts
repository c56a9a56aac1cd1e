/**
 * As `Promise.all` over `items.map(make)`, with at most `atOnce` of them under way; after one
 * has rejected none begins, and those that are under way are not waited for.
 */
export async function mapLimited<T, R>(
  items: readonly T[],
  atOnce: number,
  make: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  const rest = items.entries();
  let failed = false;
  async function work(): Promise<void> {
    for (const [index, item] of rest) {
      if (failed) return;
      try {
        results[index] = await make(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
  return results;
}
