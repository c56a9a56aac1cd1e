/**
 * Workloads that go on only as long as their origin says so, for it may have them run elsewhere otherwise. Their origins are asked
 * in time, and what an answer names may go on for its lease from the moment of asking: how long the answer took does not matter. A
 * wish alone lets nothing begin, for it may have come late.
 */
import { createClient, type Transport } from "@connectrpc/connect";
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import { LeaseService } from "../../gen/fairlead/peer/v1/intent_pb.ts";
import { keyOf } from "../../kube/object.ts";
import type { Workload } from "../../kube/resources.ts";
import { readTime, timeText } from "../../kube/time.ts";
import type { LinkStatus } from "../../peering/link-status.ts";
import type { WorkloadBook } from "./book.ts";

export interface LeaseDeps {
  book: Pick<WorkloadBook, "latest" | "of">;
  /** Our name for an agent; undefined for one that is no peer. */
  nameOf(fingerprint: string): string | undefined;
  /** RPC with a peer. */
  transport(peer: string): Transport;
  links: { status(peer: string): LinkStatus; subscribe(fn: (peer: string, status: LinkStatus) => void): () => void };
  /** The lease of the Workload with this key has begun or goes on. */
  onChange(key: string): void;
  clock: Clock;
  log: Log;
}

/** How the lease of a Workload is. */
export interface LeaseView {
  /** In how many milliseconds it ends; 0: it has ended, or not begun. */
  readonly leftMs: number;
  /** Until when it lasts at least, for the status; undefined before it began. */
  readonly until?: string;
}

export interface Leases {
  /** Undefined for a Workload that goes on for ever. */
  of(workload: Workload): LeaseView | undefined;
  close(): Promise<void>;
}

/** When the origin was asked that said yes, by both clocks: the wall's may be set, the other may stand still while the machine sleeps. */
interface Asked {
  readonly monotonic: number;
  readonly wall: number;
}

interface Known extends Asked {
  /** What the status says, written anew only now and then. */
  until: number;
}

/** An answer is awaited for so long, in milliseconds; a page of objects is asked about at once. */
const timeoutMs = 10_000;
const page = 500;

export function createLeases(deps: LeaseDeps): Leases {
  const { book, clock, log } = deps;
  /** By the Workload's UID. */
  const known = new Map<string, Known>();
  const worker = createKeyedWorker({
    run: renew,
    clock,
    minMs: 1_000,
    maxMs: 10_000,
    onError: (fingerprint, error) => log.debug({ err: error, fingerprint }, "an origin was not asked about leases"),
  });

  function leasedOf(fingerprint: string): Workload[] {
    return [...book.of(fingerprint).values()].filter((one) => secondsOf(one) > 0 && !one.metadata.deletionTimestamp);
  }

  async function renew(fingerprint: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    const peer = deps.nameOf(fingerprint);
    const leased = leasedOf(fingerprint);
    // The next link asks anew.
    if (peer === undefined || leased.length === 0 || !deps.links.status(peer).held) return;
    const client = createClient(LeaseService, deps.transport(peer));
    for (let from = 0; from < leased.length; from += page) {
      const some = leased.slice(from, from + page);
      const asked = { monotonic: clock.monotonic(), wall: clock.now() };
      const uids = some.map((one) => one.spec.origin?.uid ?? "");
      const answer = await client.renew({ kind: "workload", uids }, { signal, timeoutMs });
      const may = new Set(answer.uids);
      for (const one of some) if (may.has(one.spec.origin?.uid ?? "")) take(one, asked);
    }
    return { againMs: Math.min(...leased.map(secondsOf)) * (1000 / 3) };
  }

  function take(workload: Workload, asked: Asked): void {
    const { uid = "" } = workload.metadata;
    const before = known.get(uid);
    if (before && before.monotonic >= asked.monotonic) return;
    const wasOver = leftMs(workload, before) === 0;
    const lease = secondsOf(workload) * 1000;
    const isWritten = before !== undefined && !wasOver && before.until - clock.now() > lease * 0.6;
    const until = isWritten ? before.until : asked.wall + lease;
    known.set(uid, { ...asked, until });
    if (!isWritten) deps.onChange(keyOf(workload));
  }

  function leftMs(workload: Workload, asked: Asked | undefined): number {
    if (!asked) return 0;
    const passed = Math.max(clock.monotonic() - asked.monotonic, clock.now() - asked.wall);
    return Math.max(0, secondsOf(workload) * 1000 - passed);
  }

  /** What an earlier process was told last, as far as it wrote it down. */
  function restored({ metadata, status, spec }: Workload): Known | undefined {
    const until = readTime(status?.leaseUntil ?? "");
    if (until === undefined) return undefined;
    const lease = (spec.origin?.leaseSeconds ?? 0) * 1000;
    const left = Math.min(until - clock.now(), lease);
    const asked = { monotonic: clock.monotonic() - lease + left, wall: clock.now() - lease + left };
    const found = { ...asked, until };
    known.set(metadata.uid ?? "", found);
    return found;
  }

  const unsubscribe = [
    book.latest.subscribe((_key, workload, before) => {
      const uid = (workload ?? before)?.metadata.uid ?? "";
      if (!workload) {
        known.delete(uid);
        return;
      }
      const seconds = secondsOf(workload);
      if (seconds === 0) {
        known.delete(uid);
        return;
      }
      if (before && before.metadata.uid === uid && secondsOf(before) === 0) {
        // It ran for ever until now. The origin counts from when it hears that the lease is known here, which is later.
        const asked = { monotonic: clock.monotonic(), wall: clock.now() };
        known.set(uid, { ...asked, until: asked.wall + seconds * 1000 });
      }
      if (!before || secondsOf(before) !== seconds) worker.add(workload.spec.origin?.fingerprint ?? "");
    }),
    deps.links.subscribe((peer, { held }) => {
      if (!held) return;
      const fingerprints = [...book.latest.list()].flatMap(({ spec }) => spec.origin?.fingerprint ?? []);
      for (const fingerprint of new Set(fingerprints)) if (deps.nameOf(fingerprint) === peer) worker.add(fingerprint);
    }),
  ];

  return {
    of(workload) {
      if (secondsOf(workload) === 0) return undefined;
      const found = known.get(workload.metadata.uid ?? "") ?? restored(workload);
      return { leftMs: leftMs(workload, found), ...(found ? { until: timeText(found.until) } : {}) };
    },
    close() {
      for (const end of unsubscribe) end();
      return worker.close();
    },
  };
}

/** 0 for ever. */
function secondsOf({ spec }: Workload): number {
  return spec.origin?.leaseSeconds ?? 0;
}
