/** What peering tells the audit. The room `audit` takes it; peering does not know that room. */
export interface PeeringAuditEntry {
  readonly action: string;
  readonly actor: {
    readonly peer?: string | undefined;
    readonly fingerprint?: string | undefined;
    readonly person?: string | undefined;
  };
  readonly target?: string | undefined;
  readonly verdict: "allowed" | "denied" | "held" | "done" | "failed";
  readonly rule?: string | undefined;
  readonly message?: string | undefined;
  /** Ties together what belongs to one request, on both ends. */
  readonly correlation?: string | undefined;
}

export interface PeeringAudit {
  record(entry: PeeringAuditEntry): unknown;
}
