/** An audit store in memory, with versions as a cluster has them. What goes wrong, and when, is up to the test. */
import { type AuditStore, ringPlaces, type Segment, type StoredSegment } from "../../src/audit/store.ts";

export interface MemoryStore extends AuditStore {
  /** By place. A test may do with it what an intruder would. */
  readonly places: Map<number, StoredSegment>;
  /** Asked before each call; what it throws is what the caller gets. */
  before: (call: "read" | "write") => void;
  /** Asked after each call, which has been carried out by then. */
  after: (call: "read" | "write") => void;
  /** How many calls there were. */
  readonly calls: { read: number; write: number };
  /** All lines, oldest first. */
  lines(): string[];
  /** Replaces lines as whoever may write to storage can. */
  edit(change: (lines: string[]) => string[]): void;
}

export function createMemoryStore(): MemoryStore {
  const places = new Map<number, StoredSegment>();
  let version = 0;
  const put = (segment: Segment): string => {
    version += 1;
    const place = segment.index % ringPlaces;
    places.set(place, { place, version: String(version), segment });
    return String(version);
  };
  const segments = (): Segment[] =>
    [...places.values()].flatMap(({ segment }) => segment ?? []).sort((a, b) => a.index - b.index);

  const store: MemoryStore = {
    places,
    calls: { read: 0, write: 0 },
    before: () => undefined,
    after: () => undefined,
    lines: () => segments().flatMap(({ lines }) => lines),
    edit(change) {
      for (const { index, lines } of segments()) put({ index, lines: change([...lines]) });
    },
    async read() {
      store.calls.read += 1;
      await Promise.resolve();
      store.before("read");
      const found = [...places.values()];
      store.after("read");
      return found;
    },
    async write(segment, expected) {
      store.calls.write += 1;
      await Promise.resolve();
      store.before("write");
      const there = places.get(segment.index % ringPlaces)?.version;
      const written = there === expected ? put(segment) : undefined;
      store.after("write");
      return written;
    },
  };
  return store;
}
