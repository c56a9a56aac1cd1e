/** The audit in ConfigMaps, one for each place of the ring, with exact names, so that no right to all ConfigMaps is needed. */
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { errorText } from "../base/error-text.ts";
import type { KubeClient } from "../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound } from "../kube/errors.ts";
import { type ConfigMap, configMaps } from "../kube/resources.ts";
import { type AuditStore, ringPlaces, type Segment, type StoredSegment } from "./store.ts";

const indexKey = "segment";
const linesKey = "entries.jsonl.gz";
/** Places that are read at a time. */
const readsAtOnce = 4;
/** Of a segment without compression. Ours have a quarter of it at most; what is larger was not written by an agent. */
const longestSegment = 4 * 1024 * 1024;

export function createKubeAuditStore(deps: {
  client: Pick<KubeClient, "get" | "create" | "update">;
  namespace: string;
}): AuditStore {
  const { client, namespace } = deps;
  const nameOf = (place: number): string => `fairlead-audit-${String(place).padStart(2, "0")}`;

  async function readPlace(place: number, signal: AbortSignal): Promise<StoredSegment | undefined> {
    const found = await client.get(configMaps, { namespace, name: nameOf(place) }, signal);
    if (!found) return undefined;
    const at = { place, version: found.metadata.resourceVersion ?? "" };
    try {
      return { ...at, segment: await decode(found, place) };
    } catch (error) {
      return { ...at, segment: undefined, problem: `ConfigMap ${namespace}/${nameOf(place)}: ${errorText(error)}` };
    }
  }

  return {
    async read(signal) {
      const found: StoredSegment[] = [];
      const places = Iterator.from(Array(ringPlaces).keys());
      const reader = async (): Promise<void> => {
        for (const place of places) {
          const stored = await readPlace(place, signal);
          if (stored) found.push(stored);
        }
      };
      await Promise.all(Array.from({ length: readsAtOnce }, reader));
      return found.sort((a, b) => a.place - b.place);
    },

    async write(segment, version, signal) {
      const name = nameOf(segment.index % ringPlaces);
      const labels = { "app.kubernetes.io/managed-by": "fairlead" };
      const content = {
        data: { [indexKey]: String(segment.index) },
        binaryData: { [linesKey]: await encode(segment.lines) },
      };
      try {
        if (version === undefined) {
          const made = await client.create(configMaps, { metadata: { name, namespace, labels }, ...content }, signal);
          return made.metadata.resourceVersion ?? "";
        }
        const metadata = { name, namespace, labels, resourceVersion: version };
        return (await client.update(configMaps, { metadata, ...content }, signal)).metadata.resourceVersion ?? "";
      } catch (error) {
        if (isAlreadyExists(error) || isConflict(error) || (version !== undefined && isNotFound(error)))
          return undefined;
        throw error;
      }
    },
  };
}

async function encode(lines: readonly string[]): Promise<string> {
  const packed = await promisify(gzip)(lines.map((line) => `${line}\n`).join(""));
  return packed.toString("base64");
}

/** Throws an error that says what is wrong with it. */
async function decode({ data, binaryData }: ConfigMap, place: number): Promise<Segment> {
  const index = Number(data?.[indexKey] ?? Number.NaN);
  if (!Number.isSafeInteger(index) || index < 0 || index % ringPlaces !== place) {
    throw new Error(`its key "${indexKey}" is no number of a segment that belongs there`);
  }
  const packed = binaryData?.[linesKey];
  if (packed === undefined) throw new Error(`it has no "${linesKey}"`);
  const text = await promisify(gunzip)(Buffer.from(packed, "base64"), { maxOutputLength: longestSegment });
  return {
    index,
    lines: text
      .toString()
      .split("\n")
      .filter((line) => line !== ""),
  };
}
