/** What the origin writes down of one use of a pod at a peer: how it began, and that its right was taken back. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { PeeringAuditEntry } from "../peering/audit-entry.ts";
import { isRevoked, ruleIn, type StreamRecord } from "../peering/stream-record.ts";
import { streamHeader } from "../rpc/transport.ts";

export interface UseRecordDeps {
  readonly record: Pick<StreamRecord, "note">;
  /** Our name for the peer at its other end. */
  readonly peer: string;
}

export class UseRecord {
  readonly #deps: UseRecordDeps;
  readonly #actions: { readonly open: string; readonly revoke: string };
  readonly #target: string;
  readonly #person: string | undefined;
  #correlation: string | undefined;
  #begun = false;

  /** `person` is who asks, as the door knows them; undefined where nobody can know. */
  constructor(
    deps: UseRecordDeps,
    actions: { readonly open: string; readonly revoke: string },
    app: { namespace: string; name: string },
    person: string | undefined,
  ) {
    this.#deps = deps;
    this.#actions = actions;
    this.#target = `app/${app.namespace}/${app.name}`;
    this.#person = person;
  }

  answered(headers: Headers): void {
    this.#correlation = headers.get(streamHeader) ?? undefined;
  }

  /** The host has begun to answer: one that refuses says nothing before. */
  allowed(message?: string): void {
    if (!this.#begun) this.#note({ action: this.#actions.open, verdict: "allowed", message });
    this.#begun = true;
  }

  failed(cause: unknown): void {
    const error = ConnectError.from(cause);
    const { rawMessage: message } = error;
    this.#correlation ??= error.metadata.get(streamHeader) ?? undefined;
    const rule = ruleIn(message);
    if (!this.#begun) {
      const verdict = error.code === Code.PermissionDenied ? "denied" : "failed";
      this.#note({ action: this.#actions.open, verdict, rule, message });
    } else if (isRevoked(error.cause)) this.#note({ action: this.#actions.revoke, verdict: "done", rule, message });
  }

  #note(entry: Pick<PeeringAuditEntry, "action" | "verdict" | "rule" | "message">): void {
    const { peer, record } = this.#deps;
    const actor = { peer, person: this.#person };
    const by = `${peer}/${this.#person ?? ""}`;
    record.note(by, { ...entry, actor, target: this.#target, correlation: this.#correlation });
  }
}
