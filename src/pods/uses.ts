/**
 * What peers do with their pods here, one rule for all of it: who calls, may they, is the app theirs, how much do they do
 * already; written down; and ended at once when the right to it is gone.
 */
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Log } from "../base/log.ts";
import { type StreamRecord, withRule } from "../peering/stream-record.ts";
import type { ReachPermission } from "../policy/reach.ts";
import { type Caller, callerKey, callKey } from "../rpc/caller.ts";
import { Reason } from "../wire/reason.ts";

/** What a peer may do with its pods, each a right of its own. */
export type PodUse = "logs" | "exec" | "files";

/** Who wants to, as the roster knows them. */
export type PodUser = Pick<Caller, "fingerprint" | "guest" | "peer" | "grants">;

/** Whose pods they are. */
export interface PodApp {
  /** Where its pods are. */
  readonly namespace: string;
  /** The labels of its pods. */
  readonly selector: { readonly [label: string]: string };
}

export interface PodUsesDeps {
  /** An app among those that the peer with this fingerprint runs here; never another's. */
  findApp(fingerprint: string, app: { namespace: string; name: string }): PodApp | undefined;
  /** Whether the peer may. Asked for each use, and again at each review. */
  permit(user: PodUser, use: PodUse): ReachPermission;
  readonly record: Pick<StreamRecord, "note">;
  readonly log: Log;
}

/** How a use is called in the record: `open` and, when its right is gone, `revoke`. */
export interface UseActions {
  readonly use: PodUse;
  readonly open: string;
  readonly revoke: string;
  /** As in "You read 64 logs here already." */
  readonly tooMany: (most: number) => string;
  /** At a time, of one peer. */
  readonly most: number;
}

export interface AdmittedUse {
  readonly app: PodApp;
  /** Writes down something more about it, such as where it runs. */
  note(how: { verdict: "allowed" | "failed"; message?: string }): void;
  /** It is over. */
  done(): void;
}

/** A use that goes on now. */
interface Running {
  readonly actions: UseActions;
  readonly caller: Caller;
  /** As people read it: "app/shop/web". */
  readonly target: string;
  end(message: string): void;
}

export class PodUses {
  readonly #deps: PodUsesDeps;
  /** By fingerprint. */
  readonly #running = new Map<string, Set<Running>>();

  constructor(deps: PodUsesDeps) {
    this.#deps = deps;
  }

  /** Lets it begin, or throws, and writes down, why not. What is allowed is for `AdmittedUse.note` to write down. */
  admit(actions: UseActions, ref: { namespace: string; name: string }, context: UseContext): AdmittedUse {
    const caller = context.values.get(callerKey);
    const call = context.values.get(callKey);
    const target = `app/${ref.namespace}/${ref.name}`;
    const permission = this.#permitted(caller, actions.use);
    const refuse = (code: Code, rule: string, message: string): ConnectError => {
      this.#note(actions.open, caller, target, { verdict: "denied", rule, message });
      return new ConnectError(message, code);
    };
    if (!permission.allowed) {
      const { rule, message } = permission;
      throw refuse(Code.PermissionDenied, rule, withRule(message, rule));
    }
    const app = this.#deps.findApp(caller.fingerprint, ref);
    if (!app) {
      const message = `No app of yours called ${ref.namespace}/${ref.name} runs here.`;
      throw refuse(Code.NotFound, "target/not-found", message);
    }
    const own = this.#running.get(caller.fingerprint) ?? new Set<Running>();
    const count = [...own].filter((one) => one.actions.use === actions.use).length;
    if (count >= actions.most) {
      throw refuse(Code.ResourceExhausted, `${actions.use}/limit`, actions.tooMany(actions.most));
    }
    const running = { actions, caller, target, end: (message: string) => call.cut(Reason.REVOKED, message) };
    this.#running.set(caller.fingerprint, own.add(running));
    return {
      app,
      note: (how) => this.#note(actions.open, caller, target, how),
      done: () => {
        own.delete(running);
        const { fingerprint } = caller;
        if (own.size === 0 && this.#running.get(fingerprint) === own) this.#running.delete(fingerprint);
      },
    };
  }

  /**
   * Asks the rules again about what goes on, of one peer or of all, and ends at once what is no longer allowed. `stillKnown`
   * gives the peer as it is now.
   */
  review(stillKnown: (fingerprint: string) => PodUser | undefined, fingerprint?: string): void {
    const peers = fingerprint === undefined ? [...this.#running.keys()] : [fingerprint];
    for (const peer of peers) {
      const now = stillKnown(peer);
      for (const { actions, caller, target, end } of [...(this.#running.get(peer) ?? [])]) {
        const permission = now ? this.#permitted(now, actions.use) : gone;
        if (permission.allowed) continue;
        const { rule, message } = permission;
        this.#deps.log.info({ peer: caller.peer, fingerprint: peer, target, rule }, `${actions.use} revoked`);
        this.#note(actions.revoke, caller, target, { verdict: "done", rule, message });
        end(withRule(message, rule));
      }
    }
  }

  #permitted(user: PodUser, use: PodUse): ReachPermission {
    if (user.guest) return { allowed: false, rule: "pairing", message: "Only a paired peer may use pods." };
    return this.#deps.permit(user, use);
  }

  #note(
    action: string,
    { peer, fingerprint, correlation }: Caller,
    target: string,
    how: { verdict: "allowed" | "denied" | "failed" | "done"; rule?: string; message?: string },
  ): void {
    this.#deps.record.note(fingerprint, { action, actor: { peer, fingerprint }, target, correlation, ...how });
  }
}

export type UseContext = Pick<HandlerContext, "values" | "signal">;

const gone: ReachPermission = { allowed: false, rule: "pairing", message: "The peer was removed." };
