/** Transfers that something happens to in the middle, and how they end. */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { arrivesWhole, bodyOf, type Spoke } from "./spokes.ts";

/** Every byte came, as the hash says; or it is plain to see that they did not. What is short and looks complete is a failure. */
export type Ending = "whole" | "broken";

export interface UnderWay {
  /** Lets all of them go on to their ends. */
  end(): Promise<Record<"download" | "upload" | "events", Ending>>;
}

const mebibyte = 1024 * 1024;
/** More than what fits into everything between the app and its reader, so that it cannot be over when half of it is read. */
const downloadBytes = 64 * mebibyte;
const uploadBytes = 20 * mebibyte;
const events = 30;

/** Starts a download, an upload and an event stream, and stands still when a part of each has come. */
export async function startTransfers(spoke: Pick<Spoke, "ask">): Promise<UnderWay> {
  const download = await spoke.ask(`/bytes?n=${downloadBytes}`);
  const upload = startUpload(spoke);
  const stream = bodyOf(await spoke.ask(`/stream?n=${events}&ms=100`))[Symbol.asyncIterator]();
  const first = await stream.next();
  await upload.halfSent;
  return {
    async end() {
      upload.goOn();
      const [downloadEnds, uploadEnds, eventsEnd] = await Promise.all([
        endingOf(() => arrivesWhole(download, downloadBytes)),
        endingOf(() => upload.finished),
        endingOf(() => allEvents(stream, String(Buffer.from(first.value ?? [])))),
      ]);
      return { download: downloadEnds, upload: uploadEnds, events: eventsEnd };
    },
  };
}

/** Half of it, and the rest when told. */
function startUpload(spoke: Pick<Spoke, "ask">): { halfSent: Promise<void>; goOn(): void; finished: Promise<void> } {
  const half = Promise.withResolvers<void>();
  const rest = Promise.withResolvers<void>();
  const chunk = randomBytes(mebibyte);
  const hash = createHash("sha256");
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < uploadBytes; sent += chunk.length) {
      if (sent === uploadBytes / 2) {
        half.resolve();
        await rest.promise;
      }
      hash.update(chunk);
      yield chunk;
    }
  }
  const finish = async (): Promise<void> => {
    const answer = await spoke.ask("/upload", { method: "POST", body: body(), duplex: "half" });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    assert.deepEqual(await answer.json(), { bytes: uploadBytes, sha256: hash.digest("hex") });
  };
  const finished = finish();
  finished.catch(() => half.resolve());
  return { halfSent: half.promise, goOn: () => rest.resolve(), finished };
}

async function allEvents(stream: AsyncIterator<Uint8Array>, first: string): Promise<void> {
  let text = first;
  for (let next = await stream.next(); !next.done; next = await stream.next()) text += Buffer.from(next.value);
  const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  assert.deepEqual(
    ids,
    Array.from({ length: events }, (_, id) => id),
  );
}

/** An assertion that fails is neither ending. */
async function endingOf(run: () => Promise<void>): Promise<Ending> {
  try {
    await run();
    return "whole";
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return "broken";
  }
}
