/**
 * What peers would do with the present spec of an app: as they did with it, or as they said when they were asked. Asked is only when
 * a holder refuses it, never more than once a minute about one app, and ever more seldom while nothing changes.
 */
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { CheckResponse } from "../../gen/fairlead/peer/v1/workload_pb.ts";
import type { Heard } from "./facts.ts";
import type { Would } from "./place.ts";

export interface Asker {
  /** What the peer would do with the wish that has this hash; undefined when nobody knows. */
  would(uid: string, hash: string, peer: string): Would | undefined;
  /** A holder has answered the wish itself. */
  note(uid: string, heard: Heard): void;
  /** Asks these peers when it is time. */
  ask(app: { key: string; uid: string; hash: string; spec: string }, peers: readonly string[]): void;
  forget(uid: string): void;
  close(): Promise<void>;
}

interface Known {
  readonly hash: string;
  readonly answers: Map<string, { readonly would: Would; readonly at: number }>;
  /** On the monotonic clock. */
  askAgainAt: number;
  waitMs: number;
  wanted?: { readonly key: string; readonly spec: string; readonly peers: readonly string[] };
}

/** Between two rounds of questions about one app, in milliseconds. */
const wait = { minMs: 60_000, maxMs: 600_000 };
/** A peer's rules change without anybody telling, in milliseconds. */
const staleMs = 600_000;
/** How long a peer may take to answer, in milliseconds. */
export const checkTimeoutMs = 10_000;

export function createAsker(deps: {
  check(peer: string, spec: string, signal: AbortSignal): Promise<CheckResponse>;
  /** There are new answers about the app with this key. */
  onAnswers(key: string): void;
  clock: Clock;
}): Asker {
  const { clock } = deps;
  const all = new Map<string, Known>();
  const worker = createKeyedWorker({ run, clock, concurrency: 2 });

  function knownOf(uid: string, hash: string): Known {
    const known = all.get(uid);
    if (known?.hash === hash) return known;
    const fresh: Known = { hash, answers: new Map(), askAgainAt: known?.askAgainAt ?? 0, waitMs: wait.minMs };
    all.set(uid, fresh);
    return fresh;
  }

  async function run(uid: string, signal: AbortSignal): Promise<void> {
    const known = all.get(uid);
    const { wanted } = known ?? {};
    if (!known || !wanted) return;
    delete known.wanted;
    known.askAgainAt = clock.monotonic() + known.waitMs;
    known.waitMs = Math.min(known.waitMs * 2, wait.maxMs);
    await Promise.all(
      wanted.peers.map(async (peer) => {
        // Who does not answer has said nothing.
        const answer = await deps.check(peer, wanted.spec, signal).catch(() => undefined);
        if (answer) known.answers.set(peer, { would: wouldOf(answer), at: clock.monotonic() });
      }),
    );
    if (all.get(uid) === known) deps.onAnswers(wanted.key);
  }

  return {
    would(uid, hash, peer) {
      const known = all.get(uid);
      const answer = known?.hash === hash ? known.answers.get(peer) : undefined;
      return answer && clock.monotonic() - answer.at < staleMs ? answer.would : undefined;
    },
    note(uid, { peer, state, refused }) {
      const at = clock.monotonic();
      // What fails may work the next time, and is no answer.
      if (refused && refused.refusal.reason !== "Failing") {
        knownOf(uid, refused.hash).answers.set(peer, { would: "refuse", at });
      } else if (state) {
        const { phase, admission } = state.status;
        const verdict = admission?.verdict ?? phase;
        const would = verdict === "Denied" ? "refuse" : verdict === "Held" ? "hold" : "run";
        knownOf(uid, state.hash).answers.set(peer, { would, at });
      }
    },
    ask({ key, uid, hash, spec }, peers) {
      if (peers.length === 0) return;
      const known = knownOf(uid, hash);
      known.wanted = { key, spec, peers };
      worker.add(uid, Math.max(0, known.askAgainAt - clock.monotonic()));
    },
    forget: (uid) => void all.delete(uid),
    close: () => worker.close(),
  };
}

function wouldOf({ admitted, held }: CheckResponse): Would {
  return admitted ? "run" : held ? "hold" : "refuse";
}
