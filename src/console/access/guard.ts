/**
 * Stands in front of every call: knows who calls before anything of the call's body is read, judges whether they may by what the
 * method declares, and ends what goes on when they may no longer.
 */
import {
  Code,
  ConnectError,
  type ContextKey,
  createContextKey,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { Scope } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { presentedByCall } from "../auth/presented.ts";
import { type Principal, personOf, principalKey } from "../auth/principal.ts";
import type { UnderWay } from "../auth/under-way.ts";
import { accessOf, type Need } from "./access-of.ts";
import { createCallsAtOnce } from "./calls-at-once.ts";
import { type About, aboutOf, type Known } from "./concern.ts";
import { decide, mayAskOfOthers } from "./decide.ts";
import type { Refuse } from "./refuser.ts";

/**
 * For handlers of calls that turn out to be about more than the request says: throws unless the caller has the call's role for that, too.
 */
export const judgeMoreKey: ContextKey<(about: About) => void> = createContextKey(
  (): void => {
    throw new ConnectError("Nobody judges this call.", Code.Internal);
  },
  { description: "judges what more a call is about" },
);

/** For handlers of what is about oneself: whether the caller asks about everybody's, as the method declares it (`others`). */
export const othersKey: ContextKey<boolean> = createContextKey<boolean>(false, {
  description: "whether the call is about others, too",
});

export interface GuardDeps {
  readonly authenticator: Pick<Authenticator, "authenticate" | "whyNot">;
  readonly underWay: Pick<UnderWay, "hold">;
  readonly known: Known;
  readonly refuse: Refuse;
}

export interface Guard {
  /** For what comes by HTTP: refuses who is not known before their message is read. */
  gate(context: HandlerContext): Promise<void>;
  /** The first of all interceptors: who calls. */
  readonly know: Interceptor;
  /** The second: whether they may. What a call is about counts, not whether its request is good. */
  readonly judge: Interceptor;
}

/** Calls that run at a time, with one answer and with many: of one person, and of all. */
const mostUnary = { ofOne: 128, all: 1_024 };
const mostStreams = { ofOne: 256, all: 2_048 };

export function createGuard(deps: GuardDeps): Guard {
  const unary = createCallsAtOnce(mostUnary);
  const streams = createCallsAtOnce(mostStreams);

  async function whoCalls(call: Parameters<typeof presentedByCall>[0], need: Need, signal: AbortSignal) {
    const presented = presentedByCall(call);
    const principal = await deps.authenticator.authenticate(presented, signal);
    if (principal || need.scope === Scope.EVERYBODY) return principal;
    const whyNot = deps.authenticator.whyNot(presented);
    throw deps.refuse({ ok: false, why: "unknown" }, { what: "", principal, whyNot });
  }

  return {
    async gate({ method, requestMethod, url, requestHeader: header, values, signal }) {
      values.set(
        principalKey,
        await whoCalls({ requestMethod, url, header, contextValues: values }, accessOf(method), signal),
      );
    },
    know: (next) => async (request) => {
      const { contextValues, method, signal } = request;
      if (contextValues.get(principalKey) === undefined) {
        contextValues.set(principalKey, await whoCalls(request, accessOf(method), signal));
      }
      return next(request);
    },
    judge: (next) => async (request) => {
      const need = accessOf(request.method);
      const principal = request.contextValues.get(principalKey);
      const what = `${request.method.parent.typeName}/${request.method.name}`;
      const judge = (now: Principal | undefined, about: About): void => {
        const decision = decide(now, need, about);
        if (!decision.ok) throw deps.refuse(decision, { what, principal: now });
      };
      request.contextValues.set(judgeMoreKey, (about) => judge(principal, about));
      request.contextValues.set(othersKey, mayAskOfOthers(principal, need));
      if (!request.stream) {
        judge(principal, aboutOf(need, request.message, request.method.input, deps.known));
        if (!principal) return next(request);
        const end = unary.begin(personOf(principal));
        try {
          return await next(request);
        } finally {
          end();
        }
      }
      const { first, messages } = await peek(request.message);
      judge(principal, aboutOf(need, first, request.method.input, deps.known));
      if (!principal) return next({ ...request, message: messages });
      const stop = new AbortController();
      const end = streams.begin(personOf(principal));
      const forget = deps.underWay.hold(
        principal.credential,
        // What an app concerns may change while its logs are followed.
        (now) => decide(now, need, aboutOf(need, first, request.method.input, deps.known)).ok,
        () => stop.abort(new ConnectError("This is no longer allowed to you.", Code.PermissionDenied)),
      );
      const letGo = (): void => {
        end();
        forget();
      };
      try {
        const signal = AbortSignal.any([request.signal, stop.signal]);
        const response = await next({ ...request, message: messages, signal });
        if (!response.stream) throw new ConnectError("A stream was answered by one message.", Code.Internal);
        return { ...response, message: endedBy(stop.signal, response.message, letGo) };
      } catch (error) {
        letGo();
        throw stop.signal.aborted ? stop.signal.reason : error;
      }
    },
  };
}

/** The first message, and all of them with it. */
async function peek<T>(messages: AsyncIterable<T>): Promise<{ first: T | undefined; messages: AsyncIterable<T> }> {
  const iterator = messages[Symbol.asyncIterator]();
  const { done, value: first } = await iterator.next();
  return {
    first: done ? undefined : first,
    messages: (async function* () {
      try {
        if (done) return;
        yield first;
        yield* { [Symbol.asyncIterator]: () => iterator };
      } finally {
        await iterator.return?.();
      }
    })(),
  };
}

/** The answers until the signal, and then its reason, whatever the handler makes of it. */
async function* endedBy<T>(stop: AbortSignal, messages: AsyncIterable<T>, letGo: () => void): AsyncGenerator<T> {
  const iterator = messages[Symbol.asyncIterator]();
  // One promise for each answer: what raced with one that lasts as long as the stream would be held by it as long.
  let cut: ((reason: unknown) => void) | undefined;
  const onAbort = (): void => cut?.(stop.reason);
  stop.addEventListener("abort", onAbort, { once: true });
  const nextOrEnd = (): Promise<IteratorResult<T>> =>
    new Promise((resolve, reject) => {
      if (stop.aborted) return reject(stop.reason);
      cut = reject;
      iterator.next().then(resolve, reject);
    });
  try {
    for (let next = await nextOrEnd(); !next.done; next = await nextOrEnd()) yield next.value;
  } finally {
    letGo();
    stop.removeEventListener("abort", onAbort);
    // A handler that waits hears of it by its signal; nobody waits for it here.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
