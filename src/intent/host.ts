/**
 * The RPC face of the host's half: one conversation for each caller and kind, the latest wins. Scoped by the caller's
 * fingerprint before anything else is looked at.
 */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { createBreather } from "../base/breather.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { IntentService, SyncRequest, SyncResponse } from "../gen/fairlead/peer/v1/intent_pb.ts";
import type { HeldStore } from "./held-store.ts";
import { createHostSession, type HostSession } from "./host-session.ts";
import { requestFault } from "./messages.ts";
import { createPendingBytes } from "./pending-bytes.ts";
import { intentLimits, type Refusal } from "./wish.ts";

/** Who calls, as the link proves it. */
export interface IntentCaller {
  readonly fingerprint: string;
  /** Our name for it. */
  readonly peer: string;
}

export interface IntentHostDeps {
  /** Who calls; throws a ConnectError when it may not. */
  caller(context: HandlerContext): IntentCaller;
  /** What is held for this caller, by kind: `workload`. */
  kinds: ReadonlyMap<string, (caller: IntentCaller) => HeldStore>;
  clock: Clock;
  log: Log;
  limits?: { objects?: number; specBytes?: number; heldBytes?: number; attachmentBytes?: number };
}

export interface IntentHost {
  readonly service: ServiceImpl<typeof IntentService>;
  /**
   * The host's rules for this caller, or what they look at, changed: what was refused is asked for again, or only what is
   * chosen of it.
   */
  reconsider(fingerprint: string, which?: (refusal: Refusal) => boolean): void;
  /** Ends every conversation. */
  close(): Promise<void>;
}

export function createIntentHost(deps: IntentHostDeps): IntentHost {
  /** By fingerprint and kind. */
  const sessions = new Map<string, HostSession>();
  const pending = createPendingBytes({ most: intentLimits.pendingBytes, clock: deps.clock });
  let closed = false;

  async function* sync(requests: AsyncIterable<SyncRequest>, context: HandlerContext): AsyncGenerator<SyncResponse> {
    const caller = deps.caller(context);
    const incoming = requests[Symbol.asyncIterator]();
    const kind = begin(await incoming.next());
    const makeStore = deps.kinds.get(kind);
    if (!makeStore) throw new ConnectError(`this agent knows no wishes of the kind "${kind}"`, Code.Unimplemented);
    const key = `${caller.fingerprint}/${kind}`;
    const session = await replace(key, () => makeStore(caller), deps.log.child({ peer: caller.peer, kind }));
    const onAbort = (): void => void session.close(abortError(context.signal));
    context.signal.addEventListener("abort", onAbort, { once: true });
    // Reading goes on beside writing; its end, good or bad, ends the writing.
    const reading = read(incoming, session).then(
      () => session.close(),
      (error: unknown) => session.close(toConnectError(error)),
    );
    try {
      yield* session.responses();
    } finally {
      context.signal.removeEventListener("abort", onAbort);
      if (sessions.get(key) === session) sessions.delete(key);
      await session.close();
      reading.catch(() => undefined);
    }
  }

  /** Only one conversation works on a caller's objects at a time, so the earlier one is ended and waited for. */
  async function replace(key: string, store: () => HeldStore, log: Log): Promise<HostSession> {
    for (let earlier = sessions.get(key); earlier; earlier = sessions.get(key)) {
      sessions.delete(key);
      await earlier.close(new ConnectError("a later conversation of the same peer took over", Code.Aborted));
    }
    if (closed) throw new ConnectError("the agent is stopping", Code.Unavailable);
    const session = createHostSession({
      store: store(),
      clock: deps.clock,
      log,
      pending,
      ...(deps.limits && { limits: deps.limits }),
    });
    sessions.set(key, session);
    return session;
  }

  return {
    service: { sync },
    reconsider(fingerprint, which) {
      for (const [key, session] of sessions) if (key.startsWith(`${fingerprint}/`)) session.reconsider(which);
    },
    async close() {
      closed = true;
      const stopping = new ConnectError("the agent is stopping", Code.Unavailable);
      await Promise.all([...sessions.values()].map((session) => session.close(stopping)));
    },
  };
}

function begin(first: IteratorResult<SyncRequest>): string {
  if (!first.done && first.value.message.case === "begin" && requestFault(first.value) === undefined) {
    return first.value.message.value.kind;
  }
  throw new ConnectError("a conversation starts with Begin and the kind of wish", Code.InvalidArgument);
}

async function read(incoming: AsyncIterator<SyncRequest>, session: HostSession): Promise<void> {
  const breathe = createBreather();
  for (let next = await incoming.next(); !next.done; next = await incoming.next()) {
    await breathe();
    const fault = requestFault(next.value);
    // A message without content is a later version's; any other breach ends the conversation.
    if (fault !== undefined && next.value.message.case !== undefined)
      throw new ConnectError(fault, Code.InvalidArgument);
    session.receive(next.value);
  }
}

function toConnectError(error: unknown): ConnectError {
  if (error instanceof RangeError)
    return new ConnectError(error.message, Code.InvalidArgument, undefined, undefined, error);
  return ConnectError.from(error);
}

function abortError(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new ConnectError("the call was cancelled", Code.Canceled);
}
