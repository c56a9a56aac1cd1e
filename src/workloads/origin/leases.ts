/**
 * Until when holders may go on that hear nothing from here: when each was last told that it may, by this process. What an earlier one
 * said is not known, so that it is taken to have said so until this one began.
 */
import type { ServiceImpl } from "@connectrpc/connect";
import type { Clock } from "../../base/clock.ts";
import type { LeaseService } from "../../gen/fairlead/peer/v1/intent_pb.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import { callingPeer } from "../caller.ts";
import { holdingOf } from "./holding.ts";

export interface LeaseBook {
  /** Answers which of these objects the peer may go on with, and remembers that. */
  readonly service: ServiceImpl<typeof LeaseService>;
  /** In how many milliseconds the peer has surely ended the app; not above 0: it has. Infinity for one that goes on for ever. */
  endsInMs(app: RemoteApp, peer: string): number;
  /** From now on the peer may know a lease that it did not know before. */
  begins(uid: string, peer: string): void;
  /** Nobody is told to go on with the app until `settled`: who may is being written, and nobody knows whether it is yet. */
  writing(uid: string): void;
  settled(uid: string): void;
  forget(uid: string): void;
}

/** Clocks of two machines may differ by a twentieth, which is far more than they do. */
const clockFactor = 1.05;
/** Beside the time that its pods have to end, a host has this to have its cluster end them, in milliseconds. */
const leaseSlackMs = 30_000;
const defaultGraceSeconds = 30;

export function createLeaseBook(deps: {
  clock: Clock;
  /** Those of these objects that the peer may run. */
  runnable(peer: string, uids: readonly string[]): string[];
}): LeaseBook {
  const { clock } = deps;
  const begun = clock.monotonic();
  /** By UID and peer, on the monotonic clock. */
  const told = new Map<string, Map<string, number>>();
  const written = new Set<string>();

  function tell(uid: string, peer: string): void {
    told.set(uid, (told.get(uid) ?? new Map<string, number>()).set(peer, clock.monotonic()));
  }

  return {
    begins: tell,
    service: {
      renew({ kind, uids }, context) {
        const { peer } = callingPeer(context);
        const may = kind === "workload" ? deps.runnable(peer, uids).filter((uid) => !written.has(uid)) : [];
        for (const uid of may) tell(uid, peer);
        return { uids: may };
      },
    },
    endsInMs(app, peer) {
      const seconds = holdingOf(app).leases[peer];
      if (seconds === undefined) return Number.POSITIVE_INFINITY;
      const last = told.get(app.metadata.uid ?? "")?.get(peer) ?? begun;
      const graceMs = (app.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds) * 1000;
      return last + seconds * 1000 * clockFactor + graceMs + leaseSlackMs - clock.monotonic();
    },
    writing: (uid) => void written.add(uid),
    settled: (uid) => void written.delete(uid),
    forget(uid) {
      told.delete(uid);
      written.delete(uid);
    },
  };
}
