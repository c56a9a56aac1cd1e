/**
 * Where entries outlive the process: a ring of places, each with one segment of at most 500 entries. A segment is replaced whole, and
 * only by whoever knows the version that is there, so that nobody writes over what they have not read.
 */

/** Entries of one segment. */
export const segmentEntries = 500;

/** Places of the ring. One more than 10,000 entries need, since the place that is written next is emptied first. */
export const ringPlaces = 21;

/** What is to be written. */
export interface Segment {
  /** Rises by one from segment to segment; it stands at the place `index % ringPlaces`. */
  readonly index: number;
  /** Entries as lines of JSON, oldest first. */
  readonly lines: readonly string[];
}

/** What was read at one place. */
export interface StoredSegment {
  readonly place: number;
  /** Names what is stored there now, for whoever wants to replace it. */
  readonly version: string;
  /** Undefined when what is there cannot be understood; `problem` then says why. */
  readonly segment: Segment | undefined;
  readonly problem?: string;
}

export interface AuditStore {
  /** All places that hold something. Rejects when any of them could not be read: what was not read is not empty. */
  read(signal: AbortSignal): Promise<StoredSegment[]>;
  /**
   * Writes a segment to its place if what is there has this version (undefined: if nothing is there). Returns the new version, or
   * undefined when something else was there. Rejects when it is not known whether it was written.
   */
  write(segment: Segment, version: string | undefined, signal: AbortSignal): Promise<string | undefined>;
}

/** Lines of one segment, in bytes: what a ConfigMap takes, also when nothing of it can be compressed. 500 of our entries are always less. */
const longestSegment = 1_030_000;

/** `open` with as many of the lines as there is room for, or the segment behind it with some, when it is full. */
export function extendSegment(
  open: Segment,
  lines: readonly string[],
): { readonly segment: Segment; readonly taken: number } {
  let bytes = open.lines.reduce((sum, line) => sum + sizeOf(line), 0);
  let taken = 0;
  for (const line of lines.slice(0, Math.max(0, segmentEntries - open.lines.length))) {
    bytes += sizeOf(line);
    if (bytes > longestSegment) break;
    taken += 1;
  }
  if (taken === 0 && open.lines.length > 0) return extendSegment({ index: open.index + 1, lines: [] }, lines);
  return { segment: { index: open.index, lines: [...open.lines, ...lines.slice(0, taken)] }, taken };
}

/** With the end of the line. */
function sizeOf(line: string): number {
  return Buffer.byteLength(line) + 1;
}

/** The segments in the order in which they were written. */
export function inOrder(stored: readonly StoredSegment[]): Segment[] {
  const segments = stored.map(({ segment }) => segment).filter((segment) => segment !== undefined);
  return segments.sort((a, b) => a.index - b.index);
}
