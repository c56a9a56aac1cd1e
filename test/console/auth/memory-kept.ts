import type { Kept } from "../../../src/console/auth/kept-secrets.ts";

export interface MemoryKept<R> extends Kept<R> {
  /** Thrown by what writes, while it is set. */
  failure: Error | undefined;
  /** What was written: "create", "change" (only what changed something), "delete". */
  readonly writes: string[];
}

/** Records as the agent keeps them, in no cluster. What is kept goes through JSON, as there. */
export function createMemoryKept<R>(parse: (json: unknown) => R | undefined): MemoryKept<R> {
  const kept = new Map<string, string>();
  const read = (id: string): R | undefined => {
    const text = kept.get(id);
    return text === undefined ? undefined : parse(JSON.parse(text));
  };
  const writes: string[] = [];
  const store: MemoryKept<R> = {
    failure: undefined,
    writes,
    get: read,
    list: () =>
      [...kept.keys()].flatMap((id) => {
        const record = read(id);
        return record === undefined ? [] : [{ id, record }];
      }),
    async create(id, record) {
      await Promise.resolve();
      if (store.failure) throw store.failure;
      if (kept.has(id)) return false;
      kept.set(id, JSON.stringify(record));
      writes.push("create");
      return true;
    },
    async change(id, decide) {
      await Promise.resolve();
      if (store.failure) throw store.failure;
      const record = read(id);
      if (record === undefined) return undefined;
      const wanted = decide(record);
      if (wanted === undefined) return record;
      kept.set(id, JSON.stringify(wanted));
      writes.push("change");
      return wanted;
    },
    async delete(id) {
      await Promise.resolve();
      if (store.failure) throw store.failure;
      writes.push("delete");
      return kept.delete(id);
    },
  };
  return store;
}
