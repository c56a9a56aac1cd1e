/** What honest ends have said to one another, as bytes: the golden transcripts, and a conversation that is recorded now. */
import crypto from "node:crypto";
import { readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import type { Duplex } from "node:stream";
import { Reason } from "../../src/wire/reason.ts";
import type { IncomingStream } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { breakable, twoEnds } from "../wire/carriers.ts";
import { service } from "../wire/pair.ts";

/** All that each end has said, on each carrier that they had. */
export interface Conversation {
  readonly low: readonly Buffer[];
  readonly high: readonly Buffer[];
}

/** When it is for all who play a conversation, so that the numbers of their carriers are those of the transcripts. */
export const beginMs = 100;

/** Those of sessions that outlive their carriers, or of others: what an end of one says, one of the other kind refuses at once. */
export async function loadConversations(resumed: boolean): Promise<[Conversation, ...Conversation[]]> {
  return resumed
    ? [readGolden("resume-v1.txt"), readGolden("leaving-v1.txt"), await record(true)]
    : [readGolden("session-v1.txt"), await record(false)];
}

/** The same random bytes for whoever asks in the same order, as in the golden transcripts; until the returned function is called. */
export function ownRandomBytes(): { again(): void; restore(): void } {
  const { randomBytes } = crypto;
  let next = 0;
  const again = (): void => {
    next = 0x22;
  };
  again();
  Object.defineProperty(crypto, "randomBytes", {
    value: (size: number) => Buffer.alloc(size, next++),
    configurable: true,
    writable: true,
  });
  syncBuiltinESMExports();
  return {
    again,
    restore() {
      Object.defineProperty(crypto, "randomBytes", { value: randomBytes, configurable: true, writable: true });
      syncBuiltinESMExports();
    },
  };
}

/** Answers each dial with its own bytes, and each call with a word. */
export function serve(incoming: IncomingStream): void {
  if (incoming.kind === "dial") {
    const far = incoming.accept();
    far.pipe(far);
    return;
  }
  const { stream } = incoming;
  stream.attach({ head: () => undefined, data: () => false, end: () => undefined, reset: () => undefined });
  stream.sendHead(200, new Headers({ "content-type": "application/grpc+proto" }));
  stream.write([Buffer.from("word")], () => undefined);
  stream.end(new Headers({ "grpc-status": "0" }));
}

function readGolden(name: string): Conversation {
  const text = readFileSync(new URL(`../wire/golden/${name}`, import.meta.url), "utf8");
  const carriers = text.split(/^# carrier \d+$/m).filter((part) => part.trim() !== "");
  const said = (part: string, by: ">" | "<"): Buffer =>
    Buffer.concat(
      [...part.matchAll(new RegExp(`^${by} ([0-9a-f]*)$`, "gm"))].map(([, hex = ""]) => Buffer.from(hex, "hex")),
    );
  return { low: carriers.map((part) => said(part, ">")), high: carriers.map((part) => said(part, "<")) };
}

/** Dials, calls, resets and news of a session, which loses its carrier in the middle if it can go on at another. */
async function record(resumed: boolean): Promise<Conversation> {
  const random = ownRandomBytes();
  const ends = twoEnds({ clock: createFakeClock(beginMs), acceptLow: serve, acceptHigh: serve, resumed });
  const low: Buffer[][] = [];
  const high: Buffer[][] = [];
  const join = async (): Promise<{ sessions: Awaited<ReturnType<typeof ends.join>>; carrier: Duplex }> => {
    const [lowCarrier, highCarrier] = breakable();
    low.push(listen(highCarrier));
    high.push(listen(lowCarrier));
    return { sessions: await ends.join([lowCarrier, highCarrier]), carrier: lowCarrier };
  };
  try {
    const { sessions, carrier } = await join();
    const near = await sessions.low.dial(service("echo"));
    const far = await sessions.high.dial(service("echo"));
    near.write(Buffer.alloc(3_000, "fairlead"));
    far.end(Buffer.alloc(500, "high"));
    far.resume();
    await until("the echo is there", () => near.readableLength > 0);
    const call = sessions.low.open({ rpc: { path: "/a.B/C", headers: new Headers({ x: "y", "z-bin": "AAEC" }) } });
    call.write([Buffer.from("question")], () => undefined);
    if (resumed) {
      carrier.destroy();
      await until("the carrier is gone", () => carrier.closed);
      await join();
    }
    near.end(Buffer.alloc(300, "on"));
    const cut = await sessions.low.dial(service("echo"));
    cut.destroy();
    call.end();
    for await (const _ of near);
    sessions.high.close({ reason: Reason.SHUTDOWN, message: "Enough." });
    await sessions.low.closed;
  } finally {
    random.restore();
  }
  return { low: low.map((pieces) => Buffer.concat(pieces)), high: high.map((pieces) => Buffer.concat(pieces)) };
}

/** All that comes to that end, from now on. */
function listen(end: Duplex): Buffer[] {
  const pieces: Buffer[] = [];
  end.on("data", (chunk: Buffer) => pieces.push(Buffer.from(chunk)));
  return pieces;
}
