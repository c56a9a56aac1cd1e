/** What one end of a dialled stream does with it: writes and reads in its own manner, and breaks off if it is to. */
import type { Duplex } from "node:stream";
import type { Flow } from "./ledger.ts";
import type { Life } from "./world.ts";

export interface SidePlan {
  readonly bytes: number;
  /** In one write, at most. */
  readonly writeBytes: number;
  /** Between two writes. */
  readonly writePauseMs: number;
  /** Writes only when the other direction has ended: what half-close is for. */
  readonly writesLast: boolean;
  readonly reads: "flowing" | "by-hand" | "iterating";
  /** The reader stops there for a while. */
  readonly pauseAt: number;
  readonly pauseMs: number;
  /** Destroys the stream when so many bytes have come, or been written; with an error or without. */
  readonly leavesAt?: { readonly bytes: number; readonly withError: boolean } | undefined;
}

export interface SideEnd {
  /** What the stream said when it was cut; undefined when it ended well, or when this end has left. */
  readonly error: Error | undefined;
  readonly left: boolean;
  /** Both directions have ended. */
  readonly whole: boolean;
}

/** Plays one end until the stream is closed. Rejects when what came is not what was sent. */
export function playSide(duplex: Duplex, life: Life, plan: SidePlan, out: Flow, into: Flow): Promise<SideEnd> {
  return new Promise((resolve, reject) => {
    let error: Error | undefined;
    let left = false;
    let finished = false;
    let ended = false;
    let paused = plan.pauseMs === 0;

    const leave = (bytes: number): boolean => {
      if (plan.leavesAt === undefined || bytes < plan.leavesAt.bytes || left) return left;
      left = true;
      duplex.destroy(plan.leavesAt.withError ? new Error("The thing behind it broke.") : undefined);
      return true;
    };
    /** True when the reader is to stop for now. */
    const came = (chunk: Uint8Array): boolean => {
      into.arrived(chunk);
      if (leave(into.came)) return false;
      if (paused || into.came < plan.pauseAt) return false;
      paused = true;
      return true;
    };
    const guarded = (run: () => void): void => {
      try {
        run();
      } catch (failure) {
        reject(failure);
      }
    };

    duplex.on("error", (cause: Error) => {
      error = cause;
    });
    duplex.on("finish", () => {
      finished = true;
    });
    const onEnd = (): void =>
      guarded(() => {
        into.endArrived();
        ended = true;
        if (plan.writesLast) void write(duplex, life, plan, out, leave).catch(reject);
      });
    duplex.on("close", () => {
      if (error === undefined && !left && !(finished && ended)) {
        reject(new Error(`${into.name} was closed without a word before both directions had ended.`));
      } else {
        resolve({ error: left ? undefined : error, left, whole: finished && ended });
      }
    });

    if (!plan.writesLast) void write(duplex, life, plan, out, leave).catch(reject);
    duplex.on("end", onEnd);
    if (plan.reads === "iterating") void iterate(duplex, life, plan, came).catch(reject);
    else if (plan.reads === "flowing") flow(duplex, life, plan, came, guarded);
    else readByHand(duplex, life, plan, came, guarded);
  });
}

async function write(
  duplex: Duplex,
  life: Life,
  plan: SidePlan,
  out: Flow,
  leave: (bytes: number) => boolean,
): Promise<void> {
  while (out.sent < plan.bytes) {
    if (duplex.destroyed || leave(out.sent)) return;
    const bytes = out.next(Math.min(plan.writeBytes, plan.bytes - out.sent));
    const room = duplex.write(bytes);
    if (!room) {
      await new Promise<void>((resolve) => {
        duplex.once("drain", resolve);
        duplex.once("close", resolve);
      });
    }
    if (plan.writePauseMs > 0) await life.clock.sleep(plan.writePauseMs);
  }
  if (duplex.destroyed) return;
  out.end();
  duplex.end();
}

function flow(
  duplex: Duplex,
  life: Life,
  plan: SidePlan,
  came: (chunk: Uint8Array) => boolean,
  guarded: (run: () => void) => void,
): void {
  duplex.on("data", (chunk: Uint8Array) =>
    guarded(() => {
      if (!came(chunk)) return;
      duplex.pause();
      life.clock.after(plan.pauseMs, () => duplex.resume());
    }),
  );
}

function readByHand(
  duplex: Duplex,
  life: Life,
  plan: SidePlan,
  came: (chunk: Uint8Array) => boolean,
  guarded: (run: () => void) => void,
): void {
  let asleep = false;
  const read = (): void =>
    guarded(() => {
      while (!asleep && !duplex.destroyed) {
        const chunk: Uint8Array | null = duplex.read();
        if (chunk === null) return;
        if (!came(chunk)) continue;
        asleep = true;
        life.clock.after(plan.pauseMs, () => {
          asleep = false;
          read();
        });
      }
    });
  duplex.on("readable", read);
}

async function iterate(
  duplex: Duplex,
  life: Life,
  plan: SidePlan,
  came: (chunk: Uint8Array) => boolean,
): Promise<void> {
  const chunks = duplex.iterator({ destroyOnReturn: false });
  for (;;) {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await chunks.next();
    } catch {
      // The stream's own "error" says it.
      return;
    }
    if (next.done) return;
    if (came(next.value)) await life.clock.sleep(plan.pauseMs);
  }
}
